import { type KeyboardEvent, useId, useRef } from "react";
import "./Tabs.css";

/** Names of which one is chosen, by a click or with the arrow keys. */
export function Tabs({
  label,
  value,
  options,
  panel,
  onChange,
}: {
  label: string;
  value: string;
  options: readonly { value: string; label: string }[];
  /** The id of the element that shows the chosen one. */
  panel: string;
  onChange: (value: string) => void;
}) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const at = options.findIndex((option) => option.value === value);
  const onKeyDown = (event: KeyboardEvent) => {
    const last = options.length - 1;
    const to = {
      ArrowRight: at === last ? 0 : at + 1,
      ArrowLeft: at <= 0 ? last : at - 1,
      Home: 0,
      End: last,
    }[event.key];
    const chosen = to === undefined ? undefined : options[to];
    if (to === undefined || !chosen) return;
    event.preventDefault();
    list.current?.querySelectorAll<HTMLElement>("[role=tab]")[to]?.focus();
    onChange(chosen.value);
  };
  return (
    <div className="tabs" role="tablist" aria-label={label} ref={list} onKeyDown={onKeyDown}>
      {options.map((option) => (
        <button
          key={option.value}
          type="button"
          role="tab"
          id={`${id}-${option.value}`}
          aria-selected={option.value === value}
          aria-controls={panel}
          tabIndex={option.value === value ? 0 : -1}
          onClick={() => onChange(option.value)}
        >
          {option.label}
        </button>
      ))}
    </div>
  );
}
