import { isAdditive, isCount, metricName } from "../../analyses/metrics/metrics";
import { type Group, groupSeries, wholeSeries } from "../../analyses/metrics/series";
import { columnsOf, type Column, readExploration, type Shape } from "../../analyses/metrics/state";
import type { ReportAnswer, SavedReport } from "../../api/library";
import type { Interval, SessionMetric } from "../../api/query";
import { metricLabel } from "../../api/rows";
import type { MetricsQuery, MetricsRow, SessionsQuery } from "../../api/types";
import type { Unit } from "../../format/number";
import { shownBy } from "../saved/draft";
import { bucketOf, bucketsFrom } from "./buckets";

/** The one answer of a report about metrics or sessions, as what a chart draws. Nothing here sends a query or draws. */

export type TrendAnswer = Extract<ReportAnswer, { kind: "metrics" | "sessions" }>;

export interface TileTrend {
  shape: Shape | "bars";
  columns: Column[];
  unit: Unit;
  interval: Interval | null;
  /** Instants, the first ones first; empty without an interval. */
  buckets: string[];
  before: string[];
  /** Whether the buckets are over and the range has the whole of them. */
  complete: boolean[];
  groups: Group[];
  /** The field that the groups are of. */
  by: string | null;
}

const SESSION_LABELS: Record<SessionMetric, string> = {
  sessions: "Sessions",
  bounce_rate: "Bounce rate",
  avg_duration: "Visit duration",
  median_duration: "Median visit duration",
  pages_per_session: "Pages per session",
  pages: "Pages",
  events: "Events",
};

/** The metrics that the API takes where a query about sessions names none. */
const SESSION_USUAL: SessionMetric[] = ["sessions", "bounce_rate", "median_duration", "pages_per_session"];

function unitOf(kind: string): Unit {
  if (kind === "bounce_rate") return "share";
  return kind.endsWith("_duration") ? "seconds" : "number";
}

interface Measured {
  columns: Column[];
  units: Unit[];
}

function sessionColumns({ metrics = SESSION_USUAL }: SessionsQuery): Measured {
  const counts: SessionMetric[] = ["sessions", "pages", "events"];
  return {
    columns: metrics.map((metric) => ({
      label: metric,
      name: SESSION_LABELS[metric],
      additive: counts.includes(metric),
      zero: counts.includes(metric) ? 0 : null,
    })),
    units: metrics.map(unitOf),
  };
}

function metricColumns(report: SavedReport, query: MetricsQuery): Measured {
  const { metrics = [{ kind: "events" }], formulas = [] } = query;
  const labels = [...metrics.map(metricLabel), ...formulas.map(({ name, expression }) => name ?? expression)];
  const shown = shownBy(report);
  if (shown?.page === "explore") {
    const { columns } = columnsOf(readExploration(shown.params));
    // What was saved by hand since may measure something else.
    if (columns.every(({ label }) => labels.includes(label)))
      return { columns, units: columns.map(() => "number") };
  }
  const measured = metrics.map((metric): Column => ({
    label: metricLabel(metric),
    name: metric.name ?? metricName(metric),
    additive: isAdditive(metric),
    zero: isCount(metric) ? 0 : null,
  }));
  const made = formulas.map(({ name, expression }): Column => {
    const label = name ?? expression;
    return { label, name: label, additive: false, zero: null };
  });
  return { columns: [...measured, ...made], units: [...measured, ...made].map(() => "number") };
}

/** null: no chart draws such an answer, a table does. */
export function tileTrend(report: SavedReport, answer: TrendAnswer, zone: string): TileTrend | null {
  const { columns, units } =
    answer.kind === "sessions" ? sessionColumns(answer.query) : metricColumns(report, answer.query);
  const { breakdown = [], interval = null } = answer.query;
  const by = breakdown[0] ?? null;
  if (breakdown.length > 1 || (by !== null && columns.length > 1)) return null;
  const { rows } = answer;
  const shared = {
    columns,
    interval,
    by,
    unit: units.every((unit) => unit === units[0]) ? (units[0] ?? "number") : "number",
  };
  if (interval === null) {
    const [column] = columns;
    const groups =
      by === null || !column ? wholeSeries([], rows[0], columns) : groupSeries([], [], rows, by, column);
    return {
      ...shared,
      shape: shapeOf(report, by === null ? "number" : "bars"),
      buckets: [],
      before: [],
      complete: [],
      groups,
    };
  }
  const shape = shapeOf(report, "line");
  if (by === null) {
    return {
      ...shared,
      shape,
      buckets: rows.map((row) => String(row["bucket"])),
      before: rows.flatMap((row) => row.previous?.bucket ?? []).map(String),
      complete: rows.map((row) => row.complete !== false),
      groups: wholeSeries(rows, undefined, columns),
    };
  }
  const [column] = columns;
  if (!column) return null;
  const buckets = everyBucket(answer, interval, zone);
  const cut = new Set(
    rows.filter((row) => row.complete === false).map((row) => iso(Date.parse(String(row["bucket"])))),
  );
  const placed = rows.map((row) => ({ ...row, bucket: iso(Date.parse(String(row["bucket"]))) }));
  return {
    ...shared,
    shape,
    buckets,
    before: [],
    complete: buckets.map((bucket) => !cut.has(bucket)),
    groups: groupSeries(buckets, placed, largestFirst(rows, column), by, column),
  };
}

function shapeOf(report: SavedReport, usual: TileTrend["shape"]): TileTrend["shape"] {
  const shown = shownBy(report);
  if (shown?.page !== "explore") return usual;
  const { shape } = readExploration(shown.params);
  // What is over time cannot be one number, and the other way round.
  const timed = usual === "line";
  return timed === (shape !== "number") ? shape : usual;
}

function iso(instant: number): string {
  return new Date(instant).toISOString();
}

/** Those in which no group has a row, too. */
function everyBucket({ rows, since, until, query }: TrendAnswer, interval: Interval, zone: string): string[] {
  const seen = rows.map((row) => Date.parse(String(row["bucket"])));
  if (seen.length === 0) return [];
  const first =
    since === null ? Math.min(...seen) : bucketOf(Date.parse(since), interval, zone, query.week_start);
  const end = until === null ? Math.max(...seen) + 1 : Date.parse(until);
  return bucketsFrom(first, end, interval, zone).map(iso);
}

/** A row for each group, with no number: how many of a group there are is not what its buckets add up to. */
function largestFirst(rows: MetricsRow[], { label }: Column): MetricsRow[] {
  const found = new Map<string, { row: MetricsRow; sum: number; rest: boolean }>();
  for (const row of rows) {
    const parts = Object.entries(row).filter(
      ([name]) => name !== "bucket" && name !== label && name !== "previous" && name !== "complete",
    );
    const group: MetricsRow = Object.fromEntries(parts);
    const id = JSON.stringify(parts);
    const value = typeof row[label] === "number" ? row[label] : 0;
    const before = found.get(id);
    found.set(id, { row: group, sum: (before?.sum ?? 0) + value, rest: row["other"] === true });
  }
  return [...found.values()]
    .sort((one, other) => Number(one.rest) - Number(other.rest) || other.sum - one.sum)
    .map(({ row }) => row);
}
