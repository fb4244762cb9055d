import { Digits } from "./digits";
import type { ComparedValues, FunnelRow, MetricsRow } from "./types";

/** A metric's column in the answer. */
export function metricLabel(metric: {
  kind?: string;
  property?: string | null;
  name?: string | null;
}): string {
  const { kind = "events", property, name } = metric;
  if (name != null) return name;
  return property == null ? kind : `${kind}(${property})`;
}

/** A row's number in a column; null where it has none. */
export function numberIn(row: MetricsRow | ComparedValues | undefined, label: string): number | null {
  const value = row?.[label];
  return typeof value === "number" ? value : null;
}

/** A row's value in a breakdown field, as text; null where the events do not have the field. */
export function textIn(row: MetricsRow | FunnelRow, field: string): string | null {
  const value = row[field];
  if (typeof value === "string") return value;
  return typeof value === "number" || typeof value === "boolean" || value instanceof Digits
    ? String(value)
    : null;
}
