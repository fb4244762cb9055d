import { type Asked, metricLabel, numberIn, REFRESH, useAnswer } from "../../api/hooks";
import type { MetricsQuestion, MetricsRow } from "../../api/types";
import { metricName } from "../../parts/metrics";
import type { View } from "../../scope/scope";
import { type Group, groupSeries, wholeSeries } from "./series";
import type { Exploration } from "./state";

export interface Trend {
  /** Everything over time, without the breakdown: it has every bucket. */
  whole: Asked<MetricsRow>;
  buckets: string[];
  groups: Group[];
  /** Over the whole range. */
  total: number | null;
  loading: boolean;
  previous: boolean;
  error: Error | null;
  retry: () => void;
}

export function useTrend(view: View, { metric, by, top }: Exploration): Trend {
  const refresh = view.current ? REFRESH : false;
  const time = { interval: view.interval, timezone: view.zone };
  const base: MetricsQuestion = { kind: "metrics", metrics: [metric], ...view.scope };
  const parts = { breakdown: [by], top: Number(top), other: true };
  const ready = view.ready;
  const broken = ready && by !== "";
  const whole = useAnswer(ready ? { ...base, ...time } : null, { refresh });
  const total = useAnswer(ready ? base : null, { refresh });
  const rows = useAnswer(broken ? { ...base, ...time, ...parts } : null, { refresh });
  const totals = useAnswer(broken ? { ...base, ...parts } : null, { refresh });
  const asked = broken ? [whole, total, rows, totals] : [whole, total];

  const buckets = (whole.answer?.rows ?? []).map((row) => String(row["bucket"]));
  const sum = numberIn(total.answer?.rows[0], metricLabel(metric));
  const counted = ["events", "users", "sessions"].includes(metric.kind);
  const groups = broken
    ? groupSeries(buckets, rows.answer?.rows ?? [], totals.answer?.rows ?? [], by, metric, counted ? 0 : null)
    : whole.answer
      ? [wholeSeries(whole.answer.rows, metric, sum, metricName(metric))]
      : [];
  return {
    whole,
    buckets,
    groups,
    total: sum,
    loading: asked.some((one) => one.loading),
    previous: asked.some((one) => one.previous),
    error: asked.find((one) => one.error && !one.answer)?.error ?? null,
    retry: () => asked.forEach((one) => one.retry()),
  };
}
