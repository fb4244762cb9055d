import type { Column } from "./state";
import { numberIn, textIn } from "../../api/rows";
import type { MetricsRow } from "../../api/types";

/** A query's rows as series over the same buckets. This module neither sends requests nor draws. */

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
  const value = textIn(row, field);
  return value === null ? "none" : `=${value}`;
}

/** A series for each column of a query without a breakdown. */
export function wholeSeries(rows: MetricsRow[], total: MetricsRow | undefined, columns: Column[]): Group[] {
  const compared = rows.some((row) => row.previous !== undefined);
  return columns.map(({ label, name }) => ({
    id: label,
    label: name,
    rest: false,
    total: numberIn(total, label),
    totalBefore: numberIn(total?.previous, label),
    values: rows.map((row) => numberIn(row, label)),
    ...(compared ? { before: rows.map((row) => numberIn(row.previous, label)) } : {}),
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
  const indexOf = new Map(buckets.map((bucket, index) => [bucket, index]));
  const groups = new Map<string, Group>();
  for (const row of totals) {
    const id = idOf(row, field);
    const text = textIn(row, field);
    groups.set(id, {
      id,
      label: id === REST ? "All others" : text === null ? "(none)" : text || "(empty)",
      rest: id === REST,
      total: numberIn(row, label),
      totalBefore: numberIn(row.previous, label),
      values: new Array<number | null>(buckets.length).fill(zero),
    });
  }
  for (const row of rows) {
    const index = indexOf.get(String(row["bucket"]));
    const group = groups.get(idOf(row, field));
    if (group && index !== undefined) group.values[index] = numberIn(row, label);
  }
  return [...groups.values()];
}
