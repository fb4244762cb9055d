import { Bot, ChevronLeft, Filter as FilterIcon, X } from "lucide-react";
import { useState } from "react";
import { Button } from "../controls/Button";
import { type Choice, Picker } from "../controls/Picker";
import { Select } from "../controls/Select";
import { Popover } from "../overlays/Popover";
import { useFields, useValues } from "./fields";
import {
  fieldLabel,
  type Filter,
  isFiltered,
  type Op,
  OP_LABELS,
  opsOf,
  PROPERTY,
  sameFilter,
  takesValue,
  valueLabel,
} from "../../scope/filters";
import { botsParams, filterParams, useParams, type View } from "../../scope/scope";
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
      <Button
        kind="quiet"
        aria-pressed={view.bots}
        title="Crawlers, monitors and headless browsers: events with $bot. They are stored, and left out of the numbers."
        onClick={() => update(botsParams(!view.bots))}
      >
        <Bot size={14} aria-hidden /> {view.bots ? "Bots shown" : "Bots hidden"}
      </Button>
      {view.filters.length > 1 && (
        <Button kind="quiet" onClick={() => set([])}>
          Clear all
        </Button>
      )}
    </div>
  );
}

export function Chip({ filter, onRemove }: { filter: Filter; onRemove: () => void }) {
  const value = takesValue(filter.op) ? ` ${valueLabel(filter.value)}` : "";
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

/** The empty text can be chosen whether or not the newest events have one: it cannot be typed. */
function withEmpty(choices: readonly Choice[]): Choice[] {
  const empty = choices.find(({ value }) => value === "") ?? { value: "", label: valueLabel("") };
  return [...choices.filter(({ value }) => value !== ""), empty];
}

export function NewFilter({ view, onAdd }: { view: View; onAdd: (filter: Filter) => void }) {
  const [field, setField] = useState("");
  const [op, setOp] = useState<Op>("=");
  const fields = useFields(view, true);
  const values = useValues(view, field);
  if (field === "") {
    return (
      <Picker
        label="Search fields"
        choices={fields.choices}
        loading={fields.loading}
        free="Property"
        freeLast
        onSearch={fields.setSearch}
        onChoose={(chosen) => setField(isFiltered(chosen) ? chosen : PROPERTY + chosen)}
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
          options={opsOf(field).map((value) => ({ value, label: OP_LABELS[value] }))}
          onChange={setOp}
        />
      </div>
      {takesValue(op) ? (
        <Picker
          key={field}
          label="Search or type a value"
          choices={withEmpty(values.choices)}
          loading={values.loading}
          free="Use"
          onSearch={values.setSearch}
          onChoose={(value) => onAdd({ field, op, value })}
        />
      ) : (
        <Button kind="primary" data-autofocus onClick={() => onAdd({ field, op, value: "" })}>
          Add the filter
        </Button>
      )}
    </div>
  );
}
