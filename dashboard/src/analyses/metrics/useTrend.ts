import { type Group, groupSeries, wholeSeries } from "./series";
import { columnsOf, type Column, type Exploration } from "./state";
import { type QueryState, REFRESH, useAnswer } from "../../api/query";
import type { MetricsQuery, MetricsRow } from "../../api/types";
import type { View } from "../../scope/scope";

export interface Trend {
  /** Everything over time, without the breakdown: it has every bucket. */
  whole: QueryState<MetricsRow>;
  /** It and the other answers that the figures are of. */
  all: readonly QueryState<MetricsRow>[];
  buckets: string[];
  /** The buckets of the period before, beside those; empty where it is not compared with. */
  before: string[];
  /** Whether the buckets are over and the range has the whole of them. */
  complete: boolean[];
  columns: Column[];
  groups: Group[];
  /** Over the whole range, of each column. */
  totals: Group[];
  loading: boolean;
  previous: boolean;
  error: Error | null;
  retry: () => void;
}

export function useTrend(view: View, exploration: Exploration): Trend {
  const { by, top } = exploration;
  const { metrics, formulas, columns } = columnsOf(exploration);
  const refresh = view.current ? REFRESH : false;
  const time = { interval: view.interval, timezone: view.zone, week_start: view.weekStart };
  const base: MetricsQuery = {
    kind: "metrics",
    metrics,
    ...(formulas.length > 0 ? { formulas } : {}),
    ...view.scope,
  };
  const parts = { breakdown: [by], top: Number(top), other: true };
  const { ready, comparison } = view;
  const broken = ready && by !== "";
  // Of groups only the totals are compared: as many dashed lines again could not be told apart.
  const over = broken ? {} : comparison;
  const whole = useAnswer(ready ? { ...base, ...time, ...over } : null, { refresh });
  const total = useAnswer(ready ? { ...base, ...comparison } : null, { refresh });
  const rows = useAnswer(broken ? { ...base, ...time, ...parts } : null, { refresh });
  const sums = useAnswer(broken ? { ...base, ...parts, ...comparison } : null, { refresh });
  const all = broken ? [whole, total, rows, sums] : [whole, total];

  const answered = whole.answer?.rows ?? [];
  const buckets = answered.map((row) => String(row["bucket"]));
  const totals = wholeSeries(answered, total.answer?.rows[0], columns);
  const column = columns[0];
  return {
    whole,
    all,
    buckets,
    before: broken ? [] : answered.flatMap((row) => row.previous?.bucket ?? []).map(String),
    complete: answered.map((row) => row.complete !== false),
    columns,
    groups: !broken
      ? whole.answer
        ? totals
        : []
      : column
        ? groupSeries(buckets, rows.answer?.rows ?? [], sums.answer?.rows ?? [], by, column)
        : [],
    totals,
    loading: all.some((one) => one.loading),
    previous: all.some((one) => one.previous),
    error: all.find((one) => one.error && !one.answer)?.error ?? null,
    retry: () => all.forEach((one) => one.retry()),
  };
}
