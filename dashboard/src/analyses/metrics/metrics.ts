import type { MetricKind } from "../../api/query";
import { metricLabel } from "../../api/rows";
import type { Metric } from "../../api/types";

/** Names of metrics, and metrics in the page's address. */

/** A metric that the address can hold. */
export interface ChosenMetric {
  kind: MetricKind;
  property?: string;
}

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
  const kinds = metric.property == null ? COUNTS : OF_PROPERTY;
  const label = kinds.find(({ kind }) => kind === (metric.kind ?? "events"))?.label ?? metricLabel(metric);
  return metric.property == null ? label : `${label} of ${metric.property}`;
}

/** Whether the values of a breakdown add up to the value of the whole. */
export function isAdditive({ kind = "events" }: Metric): boolean {
  return kind === "events" || kind === "sum";
}

/** Whether the value is 0, not null, where there are no events. */
export function isCount({ kind = "events" }: Metric): boolean {
  return kind === "events" || kind === "users" || kind === "sessions";
}

/** `events`, or `sum:amount`; what is neither is events. */
export function parseMetric(text: string | null): ChosenMetric {
  const [kind = "", ...rest] = (text ?? "").split(":");
  const property = rest.join(":");
  const count = COUNTS.find((one) => one.kind === kind);
  if (count && property === "") return { kind: count.kind };
  const numeric = OF_PROPERTY.find((one) => one.kind === kind);
  return numeric && property !== "" ? { kind: numeric.kind, property } : { kind: "events" };
}

export function metricText(metric: ChosenMetric): string {
  return metric.property === undefined ? metric.kind : `${metric.kind}:${metric.property}`;
}
