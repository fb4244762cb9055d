import { ChevronDown, Plus } from "lucide-react";
import { type SubmitEvent, useState } from "react";
import { MeasureRow } from "./MeasureRow";
import { type Exploration, LETTERS, NEW_MEASURE, TOPS, without } from "./state";
import { Button } from "../../components/controls/Button";
import { Picker } from "../../components/controls/Picker";
import { Segmented } from "../../components/controls/Segmented";
import { Select } from "../../components/controls/Select";
import { Popover } from "../../components/overlays/Popover";
import { useFields } from "../../components/page/fields";
import { fieldLabel, isField, PROPERTY } from "../../scope/filters";
import type { View } from "../../scope/scope";
import "./Controls.css";

interface Props {
  view: View;
  exploration: Exploration;
  onChange: (change: Partial<Exploration>) => void;
}

/** What is measured, what is made of it, and what it is broken down by. */
export function Controls({ view, exploration, onChange }: Props) {
  const { measures, formula, shown, by, top } = exploration;
  const several = measures.length > 1;
  return (
    <div className="explore-controls">
      <ul className="measures" aria-label="Series">
        {measures.map((measure, index) => (
          <MeasureRow
            // Its place is what it is: A is the first one, whatever it measures.
            key={index}
            view={view}
            letter={LETTERS[index] ?? ""}
            several={several}
            measure={measure}
            onChange={(next) =>
              onChange({ measures: measures.map((one, place) => (place === index ? next : one)) })
            }
            onRemove={() => onChange(without(exploration, index))}
          />
        ))}
      </ul>
      <div className="explore-bar">
        {measures.length < LETTERS.length && (
          <Button
            className="button-dashed"
            onClick={() => onChange({ measures: [...measures, NEW_MEASURE] })}
          >
            <Plus size={14} aria-hidden /> Add a series
          </Button>
        )}
        {(several || formula !== "") && (
          <FormulaInput
            key={formula}
            formula={formula}
            onChange={(text) => onChange({ formula: text, shown: 0 })}
          />
        )}
        <BreakdownPicker view={view} by={by} onChange={(field) => onChange({ by: field })} />
        {by !== "" && (
          <Select
            label="Groups"
            value={top}
            options={TOPS.map((value) => ({ value, label: `Top ${value}` }))}
            onChange={(value) => onChange({ top: value })}
          />
        )}
        {by !== "" && several && formula === "" && (
          <Segmented
            label="Broken down series"
            value={String(shown)}
            options={measures.map((_, index) => ({ value: String(index), label: LETTERS[index] ?? "" }))}
            onChange={(value) => onChange({ shown: Number(value) })}
          />
        )}
      </div>
    </div>
  );
}

function FormulaInput({ formula, onChange }: { formula: string; onChange: (formula: string) => void }) {
  const [typed, setTyped] = useState(formula);
  const apply = () => {
    if (typed.trim() !== formula) onChange(typed.trim());
  };
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    apply();
  };
  return (
    <form className="formula" onSubmit={onSubmit}>
      <label>
        <span className="select-label">Formula</span>
        <input
          className="text-input"
          placeholder="A / B"
          spellCheck={false}
          autoComplete="off"
          maxLength={200}
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
          onBlur={apply}
        />
      </label>
    </form>
  );
}

function BreakdownPicker({
  view,
  by,
  onChange,
}: {
  view: View;
  by: string;
  onChange: (field: string) => void;
}) {
  const fields = useFields(view);
  const name = by === "" ? "nothing" : fieldLabel(by);
  return (
    <Popover
      title="Break down by"
      label={`Broken down by ${name}`}
      button={
        <>
          <span className="muted">by</span> <span className="button-text">{name}</span>
          <ChevronDown size={14} aria-hidden className="chevron" />
        </>
      }
    >
      {(close) => (
        <Picker
          label="Search fields"
          value={by}
          loading={fields.loading}
          free="Property"
          onSearch={fields.setSearch}
          choices={[{ value: "", label: "Nothing" }, ...fields.choices]}
          onChoose={(field) => {
            onChange(field === "" || isField(field) ? field : PROPERTY + field);
            close();
          }}
        />
      )}
    </Popover>
  );
}
