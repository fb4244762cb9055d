import { ChevronDown, Filter as FilterIcon } from "lucide-react";
import { Picker } from "../controls/Picker";
import type { Test } from "./tests";
import { Popover } from "../overlays/Popover";
import { Chip, NewFilter } from "../page/FilterBar";
import { useValues } from "../page/fields";
import { sameFilter } from "../../scope/filters";
import type { View } from "../../scope/scope";
import "./TestPicker.css";

/** A button that opens a search among the values of a field. */
export function ValuePicker({
  view,
  field,
  label,
  text,
  value,
  none,
  onChoose,
}: {
  view: View;
  field: string;
  /** What is chosen here, such as "Event of step 1". */
  label: string;
  /** What the button shows. */
  text: string;
  value: string;
  /** What choosing nothing is called, where that can be chosen. */
  none?: string;
  onChoose: (value: string) => void;
}) {
  return (
    <Popover
      title={label}
      label={`${label}: ${text}`}
      buttonClass="button button-plain value-button"
      button={
        <>
          <span className="button-text">{text}</span>
          <ChevronDown size={14} aria-hidden className="chevron" />
        </>
      }
    >
      {(close) => (
        <Values
          {...{ view, field, value }}
          none={none}
          onChoose={(chosen) => {
            onChoose(chosen);
            close();
          }}
        />
      )}
    </Popover>
  );
}

function Values({
  view,
  field,
  value,
  none,
  onChoose,
}: {
  view: View;
  field: string;
  value: string;
  none: string | undefined;
  onChoose: (value: string) => void;
}) {
  const values = useValues(view, view.ready ? field : "");
  return (
    <Picker
      label={field === "name" ? "Search events" : "Search pages"}
      value={value}
      choices={none === undefined ? values.choices : [{ value: "", label: none }, ...values.choices]}
      loading={values.loading}
      free="Use"
      onSearch={values.setSearch}
      onChoose={onChoose}
    />
  );
}

/** Which events are meant: the name, and filters beside it. */
export function TestPicker({
  view,
  label,
  test,
  onChange,
}: {
  view: View;
  label: string;
  test: Test;
  onChange: (test: Test) => void;
}) {
  const setFilters = (filters: Test["filters"]) => onChange({ ...test, filters });
  return (
    <>
      <ValuePicker
        view={view}
        field="name"
        label={label}
        text={test.name || "Any event"}
        value={test.name}
        none="Any event"
        onChoose={(name) => onChange({ ...test, name })}
      />
      {test.filters.map((filter) => (
        <Chip
          key={`${filter.field} ${filter.op} ${filter.value}`}
          filter={filter}
          onRemove={() => setFilters(test.filters.filter((one) => one !== filter))}
        />
      ))}
      <Popover
        title={`Filter of ${label.toLowerCase()}`}
        label={`Filter ${label.toLowerCase()}`}
        buttonClass="icon-button"
        button={<FilterIcon size={15} aria-hidden />}
      >
        {(close) => (
          <NewFilter
            view={view}
            onAdd={(filter) => {
              if (!test.filters.some((one) => sameFilter(one, filter))) setFilters([...test.filters, filter]);
              close();
            }}
          />
        )}
      </Popover>
    </>
  );
}
