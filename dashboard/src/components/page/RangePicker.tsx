import { CalendarDays, ChevronDown, Globe } from "lucide-react";
import { type SubmitEvent, useState } from "react";
import type { Interval } from "../../api/query";
import { Button } from "../controls/Button";
import { Picker } from "../controls/Picker";
import { Segmented } from "../controls/Segmented";
import { Select } from "../controls/Select";
import { Popover } from "../overlays/Popover";
import { PRESETS, rangeLabel, type WeekStart } from "../../scope/range";
import { rangeParams, useParams, type View, weekStartParams } from "../../scope/scope";
import { dayAt, dayText, zones } from "../../scope/zone";
import "./RangePicker.css";

const INTERVALS: Record<Interval, string> = {
  minute: "By minute",
  hour: "By hour",
  day: "By day",
  week: "By week",
  month: "By month",
};

export function RangePicker({ view, comparison = true }: { view: View; comparison?: boolean }) {
  const [, update] = useParams();
  return (
    <Popover
      title="Time range"
      align="end"
      button={
        <>
          <CalendarDays size={15} aria-hidden />
          {rangeLabel(view.range)}
          <ChevronDown size={14} aria-hidden className="chevron" />
        </>
      }
    >
      {(close) => (
        <div className="range">
          <ul className="range-presets">
            {PRESETS.map(({ id, label }) => {
              const chosen = "preset" in view.range && view.range.preset === id;
              return (
                <li key={id}>
                  <button
                    type="button"
                    aria-pressed={chosen}
                    data-autofocus={chosen ? true : undefined}
                    onClick={() => {
                      update({ ...rangeParams({ preset: id }), interval: null });
                      close();
                    }}
                  >
                    {label}
                  </button>
                </li>
              );
            })}
          </ul>
          <div className="range-side">
            <CustomRange view={view} close={close} />
            {comparison && (
              <label className="check">
                <input
                  type="checkbox"
                  checked={view.compare}
                  onChange={(event) => update({ compare: event.target.checked ? null : "0" })}
                />
                Compare with the period before
              </label>
            )}
            <Segmented<WeekStart>
              label="Weeks begin on"
              value={view.weekStart}
              options={[
                { value: "monday", label: "Weeks from Monday" },
                { value: "sunday", label: "from Sunday" },
              ]}
              onChange={(weekStart) => update(weekStartParams(weekStart))}
            />
          </div>
        </div>
      )}
    </Popover>
  );
}

function CustomRange({ view, close }: { view: View; close: () => void }) {
  const [, update] = useParams();
  const today = dayText(dayAt(view.now, view.zone));
  const shown = view.span;
  const [from, setFrom] = useState(shown ? dayText(dayAt(shown.since, view.zone)) : today);
  const [to, setTo] = useState(shown ? dayText(dayAt(shown.until - 1, view.zone)) : today);
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    if (!from || !to) return;
    update({ ...rangeParams(from <= to ? { from, to } : { from: to, to: from }), interval: null });
    close();
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

export function IntervalPicker({ view }: { view: View }) {
  const [, update] = useParams();
  return (
    <Select
      label="Interval"
      value={view.interval}
      options={view.intervals.map((interval) => ({ value: interval, label: INTERVALS[interval] }))}
      onChange={(interval) => update({ interval })}
    />
  );
}

export function ZonePicker({ view }: { view: View }) {
  const [, update] = useParams();
  return (
    <Popover
      title="Time zone"
      label={`Time zone: ${view.zone}`}
      align="end"
      button={
        <>
          <Globe size={15} aria-hidden />
          <span className="zone-name">{view.zone.replaceAll("_", " ")}</span>
        </>
      }
    >
      {(close) => (
        <Picker
          label="Search time zones"
          value={view.zone}
          choices={zones().map((zone) => ({ value: zone, label: zone.replaceAll("_", " ") }))}
          onChoose={(tz) => {
            update({ tz });
            close();
          }}
        />
      )}
    </Popover>
  );
}
