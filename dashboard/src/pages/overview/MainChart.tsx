import type { ReactNode } from "react";
import { metricLabel, numberIn, REFRESH, useAnswer } from "../../api/hooks";
import type { Metric, MetricsQuestion, Scope } from "../../api/types";
import { Legend, type Series, TimeChart } from "../../charts/TimeChart";
import { seriesColour } from "../../charts/palette";
import { metricName } from "../../parts/metrics";
import { rangeLabel } from "../../scope/range";
import type { View } from "../../scope/scope";
import { ErrorNote, Nothing, Skeleton } from "../../ui/basics";

export function MainChart({ view, metric, actions }: { view: View; metric: Metric; actions: ReactNode }) {
  const question = (scope: Scope | null): MetricsQuestion | null =>
    scope && view.ready
      ? { kind: "metrics", metrics: [metric], interval: view.interval, timezone: view.zone, ...scope }
      : null;
  const now = useAnswer(question(view.scope), { refresh: view.current ? REFRESH : false });
  const before = useAnswer(question(view.previousScope));
  const label = metricLabel(metric);
  const buckets = (now.answer?.rows ?? []).map((row) => String(row["bucket"]));
  const series: Series[] = [
    {
      id: "now",
      label: rangeLabel(view.range),
      colour: seriesColour(0),
      values: (now.answer?.rows ?? []).map((row) => numberIn(row, label)),
    },
  ];
  const rowsBefore = view.previous ? before.answer?.rows : undefined;
  if (rowsBefore) {
    series.unshift({
      id: "before",
      label: "Period before",
      colour: "var(--series-before)",
      dashed: true,
      values: buckets.map((_, index) => numberIn(rowsBefore[index], label)),
      buckets: rowsBefore.map((row) => String(row["bucket"])),
    });
  }
  return (
    <div className="main-chart" aria-busy={now.previous}>
      <div className="chart-head">
        <Legend series={[...series].reverse()} />
        {actions}
      </div>
      {now.loading ? (
        <Skeleton height={280} />
      ) : now.error && !now.answer ? (
        <ErrorNote error={now.error} retry={now.retry} />
      ) : buckets.length === 0 ? (
        <Nothing title="Nothing happened in this range" />
      ) : (
        <TimeChart
          label={`${metricName(metric)}, ${rangeLabel(view.range)}`}
          kind="line"
          additive={false}
          buckets={buckets}
          series={series}
          interval={view.interval}
          zone={view.zone}
          partial={view.current}
        />
      )}
    </div>
  );
}
