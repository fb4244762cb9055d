import { useState } from "react";
import { type QueryScope, useAnswer } from "../../api/query";
import { numberIn, textIn } from "../../api/rows";
import type { Choice } from "../controls/Picker";
import { short } from "../../format/number";
import { COLUMNS, fieldLabel, PROPERTY, VISIT_FIELDS, visitField, valueLabel } from "../../scope/filters";
import type { View } from "../../scope/scope";

/** How many of the newest events are looked at for their properties: few, because a panel of the overview waits. */
const SAMPLE = 20_000;

/**
 * Which fields there are to filter and to break down by: the columns, and the properties found in the newest events.
 *
 * @param visits whether the fields of visits are among them, which filters take and breakdowns do not.
 */
export function useFields(
  view: View,
  visits = false,
): {
  choices: Choice[];
  loading: boolean;
  /** Searches among all keys, of which the choices are the most frequent. */
  setSearch: (text: string) => void;
} {
  const [search, setSearch] = useState("");
  const { answer, loading, previous } = useKeys(view, search);
  const columns = COLUMNS.map((field) => ({ value: field, label: fieldLabel(field) }));
  const found = (answer?.rows ?? []).map(({ key, events }) => ({
    value: PROPERTY + key,
    label: key,
    note: short(events),
  }));
  const ofVisits = visits ? VISIT_FIELDS.map((field) => ({ value: field, label: fieldLabel(field) })) : [];
  return { choices: [...columns, ...ofVisits, ...found], loading: loading || previous, setSearch };
}

export function useKeys(view: View, search = "") {
  // Filters would hide the properties that other events have.
  const scope: QueryScope = { site_id: view.site };
  return useAnswer(
    view.ready ? { kind: "keys", limit: 200, sample: SAMPLE, ...scope, ...(search ? { search } : {}) } : null,
  );
}

/** The values of a field, searched by what was typed. Of a field of visits, those with the most visits of the range. */
export function useValues(view: View, field: string) {
  const [search, setSearch] = useState("");
  const scope: QueryScope = { site_id: view.site };
  const ofVisit = visitField(field);
  const range = { ...view.scope };
  delete range.filter; // it would hide values that could be chosen
  const visits = useAnswer(
    ofVisit === null || !view.ready
      ? null
      : { kind: "sessions", metrics: ["sessions"], breakdown: [ofVisit], top: 200, ...range },
  );
  const { answer, loading, previous } = useAnswer(
    field === "" || ofVisit !== null
      ? null
      : { kind: "values", field, limit: 50, ...scope, ...(search ? { search } : {}) },
  );
  const choices: Choice[] = (answer?.rows ?? [])
    .filter((row) => row.value !== null)
    .map(({ value, events }) => ({
      value: String(value),
      label: valueLabel(String(value)),
      note: short(events),
    }));
  if (ofVisit === null) return { choices, loading: loading || previous, setSearch };
  const searched = search.toLowerCase();
  const found: Choice[] = (visits.answer?.rows ?? [])
    .map((row) => ({ value: textIn(row, ofVisit), sessions: numberIn(row, "sessions") ?? 0 }))
    .flatMap(({ value, sessions }) => (value === null ? [] : [{ value, sessions }]))
    .filter(({ value }) => value.toLowerCase().includes(searched))
    .map(({ value, sessions }) => ({ value, label: valueLabel(value), note: short(sessions) }));
  return { choices: found, loading: visits.loading, setSearch };
}
