import { metricLabel } from "../api/hooks";
import type { Metric, MetricKind } from "../api/types";

/** Metrics as people call them, and as they stand in the address. */

export const COUNTS: readonly { kind: MetricKind; label: string }[] = [
  { kind: "events", label: "Events" },
  { kind: "users", label: "Users" },
  { kind: "sessions", label: "Sessions" },
  { kind: "events_per_user", label: "Events per user" },
];

export const OF_PROPERTY: readonly { kind: MetricKind; label: string }[] = [
  { kind: "sum", label: "Sum" },
  { kind: "avg", label: "Average" },
  { kind: "median", label: "Median" },
  { kind: "p90", label: "90th percentile" },
  { kind: "p95", label: "95th percentile" },
  { kind: "min", label: "Smallest" },
  { kind: "max", label: "Largest" },
];

export function metricName(metric: Metric): string {
  const kinds = metric.property === undefined ? COUNTS : OF_PROPERTY;
  const label = kinds.find(({ kind }) => kind === metric.kind)?.label ?? metricLabel(metric);
  return metric.property === undefined ? label : `${label} of ${metric.property}`;
}

/** Whether the parts of a breakdown add up to the whole. */
export function isAdditive(metric: Metric): boolean {
  return metric.kind === "events" || metric.kind === "sum";
}

/** `events`, or `sum:amount`; what is neither is events. */
export function parseMetric(text: string | null): Metric {
  const [kind = "", ...rest] = (text ?? "").split(":");
  const property = rest.join(":");
  const count = COUNTS.find((one) => one.kind === kind);
  if (count && property === "") return { kind: count.kind };
  const numeric = OF_PROPERTY.find((one) => one.kind === kind);
  return numeric && property !== "" ? { kind: numeric.kind, property } : { kind: "events" };
}

export function metricText(metric: Metric): string {
  return metric.property === undefined ? metric.kind : `${metric.kind}:${metric.property}`;
}
