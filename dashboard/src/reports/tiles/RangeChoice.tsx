import { CalendarDays, ChevronDown } from "lucide-react";
import { type SubmitEvent, useState } from "react";
import { Button } from "../../components/controls/Button";
import { Popover } from "../../components/overlays/Popover";
import { rangeName } from "./TileCard";
import { PRESETS, rangeFrom, rangeText } from "../../scope/range";

const OWN = "Each report’s own range";

/** One range for every report of a board, or (null) each its own. */
export function RangeChoice({
  value,
  days = true,
  onChange,
}: {
  value: string | null;
  /** Two days may be chosen, too. */
  days?: boolean;
  onChange: (value: string | null) => void;
}) {
  const presets = PRESETS.map(({ id, label }) => ({ text: rangeText({ preset: id }), label }));
  return (
    <Popover
      title="Time range"
      align="end"
      button={
        <>
          <CalendarDays size={15} aria-hidden />
          {value === null ? OWN : rangeName(value)}
          <ChevronDown size={14} aria-hidden className="chevron" />
        </>
      }
    >
      {(close) => (
        <div className="range">
          <ul className="range-presets">
            {[{ text: null, label: OWN }, ...presets].map(({ text, label }) => (
              <li key={label}>
                <button
                  type="button"
                  aria-pressed={text === value}
                  data-autofocus={text === value ? true : undefined}
                  onClick={() => {
                    onChange(text);
                    close();
                  }}
                >
                  {label}
                </button>
              </li>
            ))}
          </ul>
          {days && (
            <div className="range-side">
              <Days
                value={value}
                onChange={(text) => {
                  onChange(text);
                  close();
                }}
              />
            </div>
          )}
        </div>
      )}
    </Popover>
  );
}

function Days({ value, onChange }: { value: string | null; onChange: (value: string) => void }) {
  const range = value === null ? null : rangeFrom(value);
  const shown = range && "from" in range ? range : { from: "", to: "" };
  const [from, setFrom] = useState(shown.from);
  const [to, setTo] = useState(shown.to);
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    if (from && to) onChange(from <= to ? `${from}/${to}` : `${to}/${from}`);
  };
  return (
    <form className="range-custom" onSubmit={onSubmit}>
      <label className="field">
        <span>From</span>
        <input type="date" value={from} required onChange={(event) => setFrom(event.target.value)} />
      </label>
      <label className="field">
        <span>To</span>
        <input type="date" value={to} required onChange={(event) => setTo(event.target.value)} />
      </label>
      <Button kind="primary" type="submit">
        Show these days
      </Button>
    </form>
  );
}
