import { metricLabel, numberIn } from "../../api/hooks";
import type { Metric, MetricsRow } from "../../api/types";

/** A question's rows as series over the same buckets. Nothing here asks or draws. */

export interface Group {
  id: string;
  /** What it is called. */
  label: string;
  /** undefined: everything, or all the rest. */
  value: string | null | undefined;
  rest: boolean;
  total: number | null;
  values: (number | null)[];
}

const WHOLE = "whole";
const REST = "rest";

function idOf(row: MetricsRow, field: string): string {
  if (row["other"] === true) return REST;
  const value = row[field];
  return value === null || value === undefined ? "none" : `=${value}`;
}

/** The one series of a question without a breakdown. */
export function wholeSeries(rows: MetricsRow[], metric: Metric, total: number | null, name: string): Group {
  const values = rows.map((row) => numberIn(row, metricLabel(metric)));
  return { id: WHOLE, label: name, value: undefined, rest: false, total, values };
}

/**
 * A series for each group of `totals`, in that order.
 *
 * @param buckets every bucket of the range: groups have no rows where nothing happened.
 * @param zero what a group counts in such a bucket: 0, or null for a metric that has no value there.
 */
export function groupSeries(
  buckets: string[],
  rows: MetricsRow[],
  totals: MetricsRow[],
  field: string,
  metric: Metric,
  zero: 0 | null,
): Group[] {
  const label = metricLabel(metric);
  const place = new Map(buckets.map((bucket, index) => [bucket, index]));
  const groups = new Map<string, Group>();
  for (const row of totals) {
    const id = idOf(row, field);
    const value = row[field];
    const text = value === null || value === undefined ? null : String(value);
    groups.set(id, {
      id,
      label: id === REST ? "All others" : text === null ? "(none)" : text || "(empty)",
      value: id === REST ? undefined : text,
      rest: id === REST,
      total: numberIn(row, label),
      values: new Array<number | null>(buckets.length).fill(zero),
    });
  }
  for (const row of rows) {
    const index = place.get(String(row["bucket"]));
    const group = groups.get(idOf(row, field));
    if (group && index !== undefined) group.values[index] = numberIn(row, label);
  }
  return [...groups.values()];
}
