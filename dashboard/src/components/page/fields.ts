import { useState } from "react";
import { type QueryScope, useAnswer } from "../../api/query";
import type { Choice } from "../controls/Picker";
import { short } from "../../format/number";
import { COLUMNS, fieldLabel, PROPERTY } from "../../scope/filters";
import type { View } from "../../scope/scope";

/** How many of the newest events are looked at for their properties: few, because a panel of the overview waits. */
const SAMPLE = 20_000;

/** Which fields there are to filter and to break down by: the columns, and the properties found in the newest events. */
export function useFields(view: View): { choices: Choice[]; loading: boolean } {
  const { answer, loading } = useKeys(view);
  const columns = COLUMNS.map((field) => ({ value: field, label: fieldLabel(field) }));
  const found = (answer?.rows ?? []).map(({ key, events }) => ({
    value: PROPERTY + key,
    label: key,
    note: short(events),
  }));
  return { choices: [...columns, ...found], loading };
}

export function useKeys(view: View) {
  // Filters would hide the properties that other events have.
  const scope: QueryScope = view.site === undefined ? {} : { site_id: view.site };
  return useAnswer(view.ready ? { kind: "keys", limit: 200, sample: SAMPLE, ...scope } : null);
}

/** The values of a field, searched by what was typed. */
export function useValues(view: View, field: string) {
  const [search, setSearch] = useState("");
  const scope: QueryScope = view.site === undefined ? {} : { site_id: view.site };
  const { answer, loading, previous } = useAnswer(
    field === "" ? null : { kind: "values", field, limit: 50, ...scope, ...(search ? { search } : {}) },
  );
  const choices: Choice[] = (answer?.rows ?? [])
    .filter((row) => row.value !== null)
    .map(({ value, events }) => ({ value: String(value), label: String(value), note: short(events) }));
  return { choices, loading: loading || previous, setSearch };
}
