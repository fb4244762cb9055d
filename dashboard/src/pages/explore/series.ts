import { beforeOf, numberIn } from "../../api/hooks";
import type { MetricsRow } from "../../api/types";
import type { Column } from "./state";

/** A question's rows as series over the same buckets. Nothing here asks or draws. */

export interface Group {
  id: string;
  /** What it is called. */
  label: string;
  rest: boolean;
  total: number | null;
  /** Of the period before; null where it is not compared with. */
  totalBefore: number | null;
  values: (number | null)[];
  /** Of the period before, bucket by bucket; absent where it is not compared with. */
  before?: (number | null)[];
}

const REST = "rest";

function idOf(row: MetricsRow, field: string): string {
  if (row["other"] === true) return REST;
  const value = row[field];
  return value === null || value === undefined ? "none" : `=${value}`;
}

/** A series for each column of a question without a breakdown. */
export function wholeSeries(rows: MetricsRow[], total: MetricsRow | undefined, columns: Column[]): Group[] {
  const compared = rows.some((row) => beforeOf(row) !== undefined);
  return columns.map(({ label, name }) => ({
    id: label,
    label: name,
    rest: false,
    total: numberIn(total, label),
    totalBefore: numberIn(beforeOf(total), label),
    values: rows.map((row) => numberIn(row, label)),
    ...(compared ? { before: rows.map((row) => numberIn(beforeOf(row), label)) } : {}),
  }));
}

/**
 * A series for each group of `totals`, in that order.
 *
 * @param buckets every bucket of the range: groups have no rows where nothing happened.
 */
export function groupSeries(
  buckets: string[],
  rows: MetricsRow[],
  totals: MetricsRow[],
  field: string,
  { label, zero }: Column,
): Group[] {
  const place = new Map(buckets.map((bucket, index) => [bucket, index]));
  const groups = new Map<string, Group>();
  for (const row of totals) {
    const id = idOf(row, field);
    const value = row[field];
    const text = value === null || value === undefined ? null : String(value);
    groups.set(id, {
      id,
      label: id === REST ? "All others" : text === null ? "(none)" : text || "(empty)",
      rest: id === REST,
      total: numberIn(row, label),
      totalBefore: numberIn(beforeOf(row), label),
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
