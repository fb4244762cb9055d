import type { ReactNode } from "react";
import { REFRESH, useAnswer } from "../../api/query";
import { numberIn } from "../../api/rows";
import type { MetricsQuery, SessionsQuery } from "../../api/types";
import { Legend, type Series, TimeChart } from "../../charts/TimeChart";
import { seriesColour } from "../../charts/palette";
import { EmptyState } from "../../components/display/EmptyState";
import { ErrorNote } from "../../components/display/ErrorNote";
import { Skeleton } from "../../components/display/Skeleton";
import type { Figure } from "./figures";
import { rangeLabel } from "../../scope/range";
import type { View } from "../../scope/scope";
import "./MainChart.css";

function queryOf(figure: Figure, view: View): MetricsQuery | SessionsQuery {
  const time = { interval: view.interval, timezone: view.zone, week_start: view.weekStart };
  const rest = { ...time, ...view.scope, ...view.comparison };
  return figure.of === "events"
    ? { kind: "metrics", metrics: [{ kind: figure.metric }], ...rest }
    : { kind: "sessions", metrics: [figure.metric], ...rest };
}

/** One figure over time, and as a dashed line that of the period before. */
export function MainChart({ view, figure, actions }: { view: View; figure: Figure; actions: ReactNode }) {
  const result = useAnswer(view.ready ? queryOf(figure, view) : null, {
    refresh: view.current ? REFRESH : false,
  });
  const rows = result.answer?.rows ?? [];
  const buckets = rows.map((row) => String(row["bucket"]));
  const series: Series[] = [
    {
      id: "now",
      label: rangeLabel(view.range),
      colour: seriesColour(0),
      values: rows.map((row) => numberIn(row, figure.metric)),
    },
  ];
  const before = rows.map((row) => row.previous);
  if (view.compared && before.some((row) => row !== undefined)) {
    series.unshift({
      id: "before",
      label: "Period before",
      colour: "var(--series-before)",
      dashed: true,
      values: before.map((row) => numberIn(row, figure.metric)),
      buckets: before.map((row) => row?.bucket ?? ""),
    });
  }
  return (
    <div className="main-chart" aria-busy={result.previous}>
      <div className="chart-head">
        <Legend series={[...series].reverse()} />
        {actions}
      </div>
      {result.loading ? (
        <Skeleton height={280} />
      ) : result.error && !result.answer ? (
        <ErrorNote error={result.error} retry={result.retry} />
      ) : buckets.length === 0 ? (
        <EmptyState title="Nothing happened in this range" />
      ) : (
        <TimeChart
          label={`${figure.label}, ${rangeLabel(view.range)}`}
          kind="line"
          additive={false}
          buckets={buckets}
          series={series}
          interval={view.interval}
          zone={view.zone}
          complete={rows.map((row) => row.complete !== false)}
          unit={figure.unit}
        />
      )}
    </div>
  );
}
