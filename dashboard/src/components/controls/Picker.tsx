import { Check, Search } from "lucide-react";
import { type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import "./Picker.css";

export interface Choice {
  value: string;
  label: string;
  note?: string;
}

/** A list to choose from, narrowed by typing; for use inside of a Popover. */
export function Picker({
  label,
  choices,
  value,
  loading = false,
  free,
  freeLast = false,
  onSearch,
  onChoose,
}: {
  label: string;
  choices: readonly Choice[];
  value?: string;
  loading?: boolean;
  /** Offer what was typed as a choice of its own; the text before it. */
  free?: string;
  /** That choice stands below the others: what was typed is rather the beginning of one of them. */
  freeLast?: boolean;
  /** The list is searched elsewhere: it gets the typed text and gives the choices. */
  onSearch?: (text: string) => void;
  onChoose: (value: string) => void;
}) {
  const [typed, setTyped] = useState("");
  const [active, setActive] = useState(0);
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  const wanted = typed.trim().toLowerCase();
  const found = choices.filter((choice) => choice.label.toLowerCase().includes(wanted)).slice(0, 200);
  const isFound = found.some((choice) => choice.value === typed || choice.label === typed);
  const own: Choice[] =
    free !== undefined && typed !== "" && !isFound ? [{ value: typed, label: `${free} “${typed}”` }] : [];
  const offered = freeLast ? [...found, ...own] : [...own, ...found];
  const current = Math.min(active, offered.length - 1);

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Enter") {
      event.preventDefault();
      const chosen = offered[current];
      if (chosen) onChoose(chosen.value);
      return;
    }
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step === 0 || offered.length === 0) return;
    event.preventDefault();
    const next = (current + step + offered.length) % offered.length;
    setActive(next);
    document.getElementById(`${id}-${next}`)?.scrollIntoView({ block: "nearest" });
  };

  return (
    <div className="picker">
      <div className="picker-search">
        <Search size={15} aria-hidden />
        <input
          ref={input}
          role="combobox"
          aria-label={label}
          aria-expanded
          aria-controls={`${id}-list`}
          aria-activedescendant={current >= 0 ? `${id}-${current}` : undefined}
          placeholder={label}
          value={typed}
          onKeyDown={onKeyDown}
          onChange={(event) => {
            setTyped(event.target.value);
            setActive(0);
            onSearch?.(event.target.value);
          }}
        />
      </div>
      <div className="picker-list" role="listbox" aria-label={label} id={`${id}-list`}>
        {offered.map((choice, index) => (
          <div
            key={choice.value}
            id={`${id}-${index}`}
            role="option"
            aria-selected={choice.value === value}
            className={index === current ? "picker-option active" : "picker-option"}
            onMouseMove={() => setActive(index)}
            onClick={() => onChoose(choice.value)}
          >
            <span className="picker-text">{choice.label}</span>
            {choice.note !== undefined && <span className="picker-note">{choice.note}</span>}
            {choice.value === value && <Check size={15} aria-hidden />}
          </div>
        ))}
      </div>
      {offered.length === 0 && <p className="picker-none">{loading ? "Loading …" : "Nothing found"}</p>}
    </div>
  );
}
