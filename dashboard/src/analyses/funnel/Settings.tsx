import { ChevronDown } from "lucide-react";
import { type ReactNode, useEffect, useState } from "react";
import { type Funnel, TOPS, type Unit, UNITS, type Window, windowFrom } from "./state";
import type { FunnelOrder } from "../../api/query";
import { Picker } from "../../components/controls/Picker";
import { Select } from "../../components/controls/Select";
import { Popover } from "../../components/overlays/Popover";
import { useFields } from "../../components/page/fields";
import { fieldLabel } from "../../scope/filters";
import type { View } from "../../scope/scope";
import "./Settings.css";

const ORDERS: { value: FunnelOrder; label: string }[] = [
  { value: "ordered", label: "In this order" },
  { value: "strict", label: "One right after the other" },
  { value: "any", label: "In any order" },
];

const UNIT_LABELS: Record<Unit, string> = { s: "seconds", min: "minutes", h: "hours", d: "days" };

/** What counts as going through the funnel, and what it is broken down by. */
export function Settings({
  view,
  funnel,
  onChange,
}: {
  view: View;
  funnel: Funnel;
  onChange: (change: Partial<Funnel>) => void;
}) {
  return (
    <div className="funnel-settings">
      <Row label="Order">
        <Select
          label="Order"
          value={funnel.order}
          options={ORDERS}
          onChange={(order) => onChange({ order })}
        />
      </Row>
      <Row label="Within">
        <WindowField window={funnel.window} onChange={(window) => onChange({ window })} />
      </Row>
      <Row label="Broken down by">
        <Breakdown view={view} by={funnel.by} onChange={(by) => onChange({ by })} />
        {funnel.by !== "" && (
          <Select
            label="Groups"
            value={funnel.top}
            options={TOPS.map((value) => ({ value, label: `Top ${value}` }))}
            onChange={(top) => onChange({ top })}
          />
        )}
      </Row>
    </div>
  );
}

function Row({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="funnel-setting">
      <span className="muted" aria-hidden>
        {label}
      </span>
      {children}
    </div>
  );
}

/** Milliseconds without a further key until a number counts as typed. */
const TYPED = 600;

function WindowField({ window, onChange }: { window: Window; onChange: (window: Window) => void }) {
  const [typed, setTyped] = useState(String(window.number));
  const [before, setBefore] = useState(window.number);
  if (before !== window.number) {
    setBefore(window.number);
    if (Number(typed) !== window.number) setTyped(String(window.number));
  }
  const next = windowFrom(`${typed}${window.unit}`);
  const changed = next !== null && next.number !== window.number;
  useEffect(() => {
    if (!changed) return;
    const timer = setTimeout(() => onChange(next), TYPED);
    return () => clearTimeout(timer);
  });
  return (
    <div className="window-field" role="group" aria-label="Conversion window">
      <input
        className="text-input number"
        type="number"
        inputMode="numeric"
        min={1}
        aria-label="Conversion window"
        aria-invalid={next === null}
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
        onBlur={() => changed && onChange(next)}
        onKeyDown={(event) => event.key === "Enter" && changed && onChange(next)}
      />
      <Select
        label="Unit of the conversion window"
        value={window.unit}
        options={UNITS.map((value) => ({ value, label: UNIT_LABELS[value] }))}
        onChange={(unit) => {
          // A year is the most, in whatever unit.
          onChange(windowFrom(`${typed}${unit}`) ?? { number: 366, unit: "d" });
        }}
      />
    </div>
  );
}

function Breakdown({ view, by, onChange }: { view: View; by: string; onChange: (by: string) => void }) {
  const fields = useFields(view);
  const text = by === "" ? "nothing" : fieldLabel(by);
  return (
    <Popover
      title="Break down by"
      label={`Broken down by ${text}`}
      button={
        <>
          <span className="button-text">{by === "" ? "Nothing" : text}</span>
          <ChevronDown size={14} aria-hidden className="chevron" />
        </>
      }
    >
      {(close) => (
        <Picker
          label="Search fields"
          value={by}
          loading={fields.loading}
          choices={[{ value: "", label: "Nothing" }, ...fields.choices]}
          onChoose={(field) => {
            onChange(field);
            close();
          }}
        />
      )}
    </Popover>
  );
}
