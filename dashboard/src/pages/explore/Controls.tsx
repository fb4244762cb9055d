import { ChevronDown } from "lucide-react";
import type { Metric } from "../../api/types";
import { COUNTS, OF_PROPERTY } from "../../parts/metrics";
import { useFields, useKeys } from "../../parts/fields";
import { short } from "../../format/number";
import { fieldLabel } from "../../scope/filters";
import type { View } from "../../scope/scope";
import { Select } from "../../ui/basics";
import { Picker } from "../../ui/Picker";
import { Popover } from "../../ui/Popover";
import { type Exploration, TOPS } from "./state";

const METRICS = [...COUNTS, ...OF_PROPERTY].map(({ kind, label }) => ({ value: kind, label }));

/** What is measured, and what it is broken down by. */
export function Controls({
  view,
  exploration,
  onChange,
}: {
  view: View;
  exploration: Exploration;
  onChange: (change: Partial<Exploration>) => void;
}) {
  const { metric, by, top } = exploration;
  const keys = useKeys(view).answer?.rows ?? [];
  const fields = useFields(view);
  const chooseKind = (kind: Metric["kind"]) => {
    const numeric = OF_PROPERTY.some((one) => one.kind === kind);
    const property = metric.property ?? keys[0]?.key ?? "value";
    onChange({ metric: numeric ? { kind, property } : { kind } });
  };
  return (
    <div className="explore-bar explore-controls">
      <Select label="Measure" showLabel value={metric.kind} options={METRICS} onChange={chooseKind} />
      {metric.property !== undefined && (
        <Popover
          title="Property to measure"
          label={`Measure of ${metric.property}`}
          button={
            <>
              <span className="muted">of</span> <span className="button-text">{metric.property}</span>
              <ChevronDown size={14} aria-hidden className="chevron" />
            </>
          }
        >
          {(close) => (
            <Picker
              label="Search properties"
              free="Use"
              {...(metric.property === undefined ? {} : { value: metric.property })}
              choices={keys.map(({ key, events }) => ({ value: key, label: key, note: short(events) }))}
              onChoose={(property) => {
                onChange({ metric: { kind: metric.kind, property } });
                close();
              }}
            />
          )}
        </Popover>
      )}
      <Popover
        title="Break down by"
        label={`Broken down by ${by === "" ? "nothing" : fieldLabel(by)}`}
        button={
          <>
            <span className="muted">by</span>{" "}
            <span className="button-text">{by === "" ? "nothing" : fieldLabel(by)}</span>
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
              onChange({ by: field });
              close();
            }}
          />
        )}
      </Popover>
      {by !== "" && (
        <Select
          label="Groups"
          value={top}
          options={TOPS.map((value) => ({ value, label: `Top ${value}` }))}
          onChange={(value) => onChange({ top: value })}
        />
      )}
    </div>
  );
}
