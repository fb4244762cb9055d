import { ChevronLeft, Filter as FilterIcon, X } from "lucide-react";
import { useState } from "react";
import { Button } from "../controls/Button";
import { Picker } from "../controls/Picker";
import { Select } from "../controls/Select";
import { Popover } from "../overlays/Popover";
import { useFields, useValues } from "./fields";
import {
  fieldLabel,
  type Filter,
  isComplete,
  type Op,
  OP_LABELS,
  OPS,
  sameFilter,
  takesValue,
} from "../../scope/filters";
import { filterParams, useParams, type View } from "../../scope/scope";
import "./FilterBar.css";

/** What the page is filtered by, and a way to add to it. */
export function FilterBar({ view }: { view: View }) {
  const [, update] = useParams();
  const set = (filters: Filter[]) => update(filterParams(filters));
  const add = (filter: Filter) => {
    if (!view.filters.some((one) => sameFilter(one, filter))) set([...view.filters, filter]);
  };
  return (
    <div className="filters">
      {view.filters.map((filter) => (
        <Chip
          key={`${filter.field} ${filter.op} ${filter.value}`}
          filter={filter}
          onRemove={() => set(view.filters.filter((one) => one !== filter))}
        />
      ))}
      <Popover
        title="Add a filter"
        buttonClass="button button-dashed"
        button={
          <>
            <FilterIcon size={14} aria-hidden /> Filter
          </>
        }
      >
        {(close) => (
          <NewFilter
            view={view}
            onAdd={(filter) => {
              add(filter);
              close();
            }}
          />
        )}
      </Popover>
      {view.filters.length > 1 && (
        <Button kind="quiet" onClick={() => set([])}>
          Clear all
        </Button>
      )}
    </div>
  );
}

export function Chip({ filter, onRemove }: { filter: Filter; onRemove: () => void }) {
  const value = takesValue(filter.op) ? ` ${filter.value}` : "";
  return (
    <span className="chip">
      <span className="chip-text" title={`${fieldLabel(filter.field)} ${OP_LABELS[filter.op]}${value}`}>
        <span className="chip-field">{fieldLabel(filter.field)}</span> {OP_LABELS[filter.op]}
        {takesValue(filter.op) && <strong>{value}</strong>}
      </span>
      <button
        type="button"
        aria-label={`Remove the filter ${fieldLabel(filter.field)} ${OP_LABELS[filter.op]}${value}`}
        onClick={onRemove}
      >
        <X size={14} aria-hidden />
      </button>
    </span>
  );
}

export function NewFilter({ view, onAdd }: { view: View; onAdd: (filter: Filter) => void }) {
  const [field, setField] = useState("");
  const [op, setOp] = useState<Op>("=");
  const fields = useFields(view);
  const values = useValues(view, field);
  if (field === "") {
    return (
      <Picker
        label="Search fields"
        choices={fields.choices}
        loading={fields.loading}
        onChoose={(chosen) => setField(chosen)}
      />
    );
  }
  return (
    <div className="new-filter">
      <div className="new-filter-head">
        <Button kind="quiet" aria-label="Choose another field" onClick={() => setField("")}>
          <ChevronLeft size={16} aria-hidden />
        </Button>
        <strong>{fieldLabel(field)}</strong>
        <Select
          label="Condition"
          value={op}
          options={OPS.map((value) => ({ value, label: OP_LABELS[value] }))}
          onChange={setOp}
        />
      </div>
      {takesValue(op) ? (
        <Picker
          key={field}
          label="Search or type a value"
          choices={values.choices}
          loading={values.loading}
          free="Use"
          onSearch={values.setSearch}
          onChoose={(value) => {
            if (isComplete({ field, op, value })) onAdd({ field, op, value });
          }}
        />
      ) : (
        <Button kind="primary" data-autofocus onClick={() => onAdd({ field, op, value: "" })}>
          Add the filter
        </Button>
      )}
    </div>
  );
}
