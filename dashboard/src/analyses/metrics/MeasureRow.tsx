import { ChevronDown, X } from "lucide-react";
import { useState } from "react";
import { COUNTS, OF_PROPERTY } from "./metrics";
import type { Measure } from "./state";
import type { MetricKind } from "../../api/query";
import { Picker } from "../../components/controls/Picker";
import { Select } from "../../components/controls/Select";
import { TestPicker } from "../../components/events/TestPicker";
import { Popover } from "../../components/overlays/Popover";
import { useKeys } from "../../components/page/fields";
import { short } from "../../format/number";
import type { View } from "../../scope/scope";
import "./MeasureRow.css";

const METRICS = [...COUNTS, ...OF_PROPERTY].map(({ kind, label }) => ({ value: kind, label }));

/** A metric, and of which events it is. */
export function MeasureRow({
  view,
  letter,
  several,
  measure,
  onChange,
  onRemove,
}: {
  view: View;
  letter: string;
  several: boolean;
  measure: Measure;
  onChange: (measure: Measure) => void;
  onRemove: () => void;
}) {
  const { metric, of } = measure;
  const [search, setSearch] = useState("");
  const keys = useKeys(view, search).answer?.rows ?? [];
  const chooseKind = (kind: MetricKind) => {
    const numeric = OF_PROPERTY.some((one) => one.kind === kind);
    const property = metric.property ?? keys[0]?.key ?? "value";
    onChange({ of, metric: numeric ? { kind, property } : { kind } });
  };
  const named = several ? ` ${letter}` : "";
  return (
    <li className="measure" data-measure={letter}>
      {several && <span className="measure-letter">{letter}</span>}
      <Select
        label={`Measure${named}`}
        showLabel={!several}
        value={metric.kind}
        options={METRICS}
        onChange={chooseKind}
      />
      {metric.property !== undefined && (
        <Popover
          title="Property to measure"
          label={`Measure${named} of ${metric.property}`}
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
              onSearch={setSearch}
              free="Use"
              value={metric.property ?? ""}
              choices={keys.map(({ key, events }) => ({ value: key, label: key, note: short(events) }))}
              onChoose={(property) => {
                onChange({ of, metric: { kind: metric.kind, property } });
                close();
              }}
            />
          )}
        </Popover>
      )}
      <TestPicker
        view={view}
        label={several ? `Events of ${letter}` : "Events"}
        test={of}
        onChange={(next) => onChange({ metric, of: next })}
      />
      {several && (
        <button
          type="button"
          className="icon-button"
          aria-label={`Remove series ${letter}`}
          onClick={onRemove}
        >
          <X size={15} aria-hidden />
        </button>
      )}
    </li>
  );
}
