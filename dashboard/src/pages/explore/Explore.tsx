import { ChartArea, ChartColumn, ChartLine, Download, Hash, Table } from "lucide-react";
import { type ReactNode, useState } from "react";
import { Controls } from "../../analyses/metrics/Controls";
import { Change, Numbers } from "../../analyses/metrics/Numbers";
import { NumbersTable } from "../../analyses/metrics/NumbersTable";
import { chartSeries } from "../../analyses/metrics/chartSeries";
import { type Exploration, type Shape, useExploration } from "../../analyses/metrics/state";
import { type Trend, useTrend } from "../../analyses/metrics/useTrend";
import { Legend, TimeChart } from "../../charts/TimeChart";
import { Button } from "../../components/controls/Button";
import { Segmented } from "../../components/controls/Segmented";
import { EmptyState } from "../../components/display/EmptyState";
import { ErrorNote } from "../../components/display/ErrorNote";
import { Skeleton } from "../../components/display/Skeleton";
import { FilterBar } from "../../components/page/FilterBar";
import { Fresh, PageHead } from "../../components/page/PageHead";
import { IntervalPicker, RangePicker, ZonePicker } from "../../components/page/RangePicker";
import { Site } from "../../components/page/Site";
import { csv, download } from "../../format/csv";
import { exact, short } from "../../format/number";
import { OpenReport, SaveButton } from "../../reports/saved/ReportBar";
import { exploreDraft } from "../../reports/saved/draft";
import { fieldLabel } from "../../scope/filters";
import { rangeLabel } from "../../scope/range";
import { useView, type View } from "../../scope/scope";
import "./Explore.css";

const SHAPE_OPTIONS: { value: Shape; label: string; icon: ReactNode }[] = [
  { value: "line", label: "Lines", icon: <ChartLine size={16} aria-hidden /> },
  { value: "bar", label: "Bars", icon: <ChartColumn size={16} aria-hidden /> },
  { value: "area", label: "Areas", icon: <ChartArea size={16} aria-hidden /> },
  { value: "table", label: "Table", icon: <Table size={16} aria-hidden /> },
  { value: "number", label: "Numbers", icon: <Hash size={16} aria-hidden /> },
];

export default function Explore() {
  const view = useView();
  const [exploration, change] = useExploration();
  const trend = useTrend(view, exploration);
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const { by, shape } = exploration;
  const { shown, legend } = chartSeries(trend, hidden);
  const toggle = (id: string) => {
    const next = new Set(hidden);
    if (!next.delete(id)) next.add(id);
    setHidden(next);
  };
  const drawn = shape !== "table" && shape !== "number" && trend.groups.length > 0;
  const compared = shown.some((one) => one.dashed);
  const draft = exploreDraft(view, exploration);
  return (
    <>
      <PageHead
        title="Explore"
        view={view}
        note={<Fresh result={trend.whole} zone={view.zone} beside={trend.all} />}
      >
        <ZonePicker view={view} />
        <RangePicker view={view} />
        <SaveButton {...{ view, draft }} />
      </PageHead>
      <OpenReport {...{ view, draft }} />
      <Site>
        <FilterBar view={view} />
        <section className="card" aria-label="Trend">
          <Controls view={view} exploration={exploration} onChange={change} />
          <div className="chart-head explore-head">
            {trend.totals.length === 1 && shape !== "number" ? <Total trend={trend} /> : <span />}
            <div className="explore-bar">
              <IntervalPicker view={view} />
              <Segmented<Shape>
                label="Shown as"
                value={shape}
                options={SHAPE_OPTIONS}
                onChange={(to) => change({ shape: to })}
              />
              <Button onClick={() => save(trend, exploration)} disabled={trend.groups.length === 0}>
                <Download size={15} aria-hidden /> CSV
              </Button>
            </div>
          </div>
          {drawn && (legend.length > 1 || by !== "" || compared) && (
            <div className="explore-legend">
              <Legend series={legend} hidden={hidden} onToggle={toggle} />
              {compared && (
                <span className="legend-item muted">
                  <span className="legend-key dashed" />
                  Period before
                </span>
              )}
            </div>
          )}
          <div className="trend" aria-busy={trend.previous}>
            <Content
              view={view}
              trend={trend}
              exploration={exploration}
              chart={(kind) => (
                <TimeChart
                  label={chartLabel(trend, view, by)}
                  kind={kind}
                  additive={by !== "" && (trend.columns[0]?.additive ?? false)}
                  buckets={trend.buckets}
                  series={shown}
                  interval={view.interval}
                  zone={view.zone}
                  complete={trend.complete}
                  height={380}
                />
              )}
            />
          </div>
        </section>
        {trend.groups.length > 1 && drawn && !trend.loading && (
          <section className="card" aria-label="Totals">
            <NumbersTable view={view} trend={trend} totalsOnly />
          </section>
        )}
      </Site>
    </>
  );
}

function Content({
  view,
  trend,
  exploration,
  chart,
}: {
  view: View;
  trend: Trend;
  exploration: Exploration;
  chart: (kind: "line" | "bar" | "area") => ReactNode;
}) {
  const { shape } = exploration;
  if (trend.error) return <ErrorNote error={trend.error} retry={trend.retry} />;
  if (trend.loading) return <Skeleton height={380} />;
  if (trend.groups.length === 0 || trend.buckets.length === 0) {
    return (
      <EmptyState title="Nothing happened in this range">
        <p>Choose a longer one, or fewer filters.</p>
      </EmptyState>
    );
  }
  if (shape === "number") return <Numbers groups={trend.groups} />;
  return shape === "table" ? <NumbersTable view={view} trend={trend} /> : chart(shape);
}

function Total({ trend }: { trend: Trend }) {
  const whole = trend.totals[0];
  if (!whole) return null;
  return (
    <p className="explore-total">
      {whole.total !== null && (
        <strong className="number" title={exact(whole.total)} data-exact={whole.total}>
          {short(whole.total)}
        </strong>
      )}
      <span className="muted">{whole.label}</span>
      <Change now={whole.total} before={whole.totalBefore} />
    </p>
  );
}

function chartLabel(trend: Trend, view: View, by: string): string {
  const names = trend.columns.map(({ name }) => name).join(", ");
  return `${names}${by ? ` by ${fieldLabel(by)}` : ""}, ${rangeLabel(view.range)}`;
}

function save(trend: Trend, { by }: Exploration): void {
  const columns = trend.groups.flatMap((group) => [
    { name: group.label, values: group.values },
    ...(group.before ? [{ name: `${group.label}, period before`, values: group.before }] : []),
  ]);
  const compared = trend.before.length > 0;
  const header = [
    "bucket",
    ...(compared ? ["bucket, period before"] : []),
    ...columns.map(({ name }) => name),
  ];
  const rows = trend.buckets.map((bucket, index) => [
    bucket,
    ...(compared ? [trend.before[index] ?? null] : []),
    ...columns.map(({ values }) => values[index] ?? null),
  ]);
  const name = trend.columns.map((column) => column.name).join("-");
  const file = `${name}${by ? `-by-${fieldLabel(by)}` : ""}`
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, "-");
  download(`tallystick-${file}.csv`, csv(header, rows));
}
