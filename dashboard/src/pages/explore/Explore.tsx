import { Site } from "../../parts/Site";
import { ChartArea, ChartColumn, ChartLine, Download, Table } from "lucide-react";
import { useState } from "react";
import { Legend, TimeChart } from "../../charts/TimeChart";
import { REST_COLOUR, seriesColour } from "../../charts/palette";
import { csv, download } from "../../format/csv";
import { exact, short } from "../../format/number";
import { FilterBar } from "../../parts/FilterBar";
import { isAdditive, metricName } from "../../parts/metrics";
import { Fresh, PageHead } from "../../parts/PageHead";
import { IntervalPicker, RangePicker, ZonePicker } from "../../parts/RangePicker";
import { fieldLabel } from "../../scope/filters";
import { rangeLabel } from "../../scope/range";
import { useView } from "../../scope/scope";
import { Button, ErrorNote, Nothing, Segmented, Skeleton } from "../../ui/basics";
import { Controls } from "./Controls";
import { NumbersTable } from "./NumbersTable";
import { type Shape, useExploration } from "./state";
import { useTrend } from "./useTrend";

const SHAPE_OPTIONS: { value: Shape; label: string; icon: React.ReactNode }[] = [
  { value: "line", label: "Lines", icon: <ChartLine size={16} aria-hidden /> },
  { value: "bar", label: "Bars", icon: <ChartColumn size={16} aria-hidden /> },
  { value: "area", label: "Areas", icon: <ChartArea size={16} aria-hidden /> },
  { value: "table", label: "Table", icon: <Table size={16} aria-hidden /> },
];

export default function Explore() {
  const view = useView();
  const [exploration, change] = useExploration();
  const { metric, by, shape } = exploration;
  const trend = useTrend(view, exploration);
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const series = trend.groups.map((group, index) => ({
    id: group.id,
    label: group.label,
    colour: group.rest ? REST_COLOUR : seriesColour(index),
    values: group.values,
  }));
  const toggle = (id: string) => {
    const next = new Set(hidden);
    if (!next.delete(id)) next.add(id);
    setHidden(next);
  };
  const save = () => {
    const header = ["bucket", ...trend.groups.map((group) => group.label)];
    const rows = trend.buckets.map((bucket, index) => [
      bucket,
      ...trend.groups.map((group) => group.values[index] ?? null),
    ]);
    download(`runnel-${metric.kind}${by ? "-by-" + fieldLabel(by) : ""}.csv`, csv(header, rows));
  };
  return (
    <>
      <PageHead title="Explore" view={view} note={<Fresh asked={trend.whole} zone={view.zone} />}>
        <ZonePicker view={view} />
        <RangePicker view={view} comparison={false} />
      </PageHead>
      <Site>
        <FilterBar view={view} />
        <section className="card" aria-label="Trend">
          <Controls view={view} exploration={exploration} onChange={change} />
          <div className="chart-head explore-head">
            <p className="explore-total">
              {trend.total !== null && (
                <strong className="number" title={exact(trend.total)} data-exact={trend.total}>
                  {short(trend.total)}
                </strong>
              )}
              <span className="muted">{metricName(metric)}</span>
            </p>
            <div className="explore-bar">
              <IntervalPicker view={view} />
              <Segmented<Shape>
                label="Shown as"
                value={shape}
                options={SHAPE_OPTIONS}
                onChange={(to) => change({ shape: to })}
              />
              <Button onClick={save} disabled={trend.groups.length === 0}>
                <Download size={15} aria-hidden /> CSV
              </Button>
            </div>
          </div>
          {by !== "" && shape !== "table" && trend.groups.length > 0 && (
            <Legend series={series} hidden={hidden} onToggle={toggle} />
          )}
          <div className="trend" aria-busy={trend.previous}>
            {trend.error ? (
              <ErrorNote error={trend.error} retry={trend.retry} />
            ) : trend.loading ? (
              <Skeleton height={360} />
            ) : trend.groups.length === 0 || trend.buckets.length === 0 ? (
              <Nothing title="Nothing happened in this range">
                <p>Choose a longer one, or fewer filters.</p>
              </Nothing>
            ) : shape === "table" ? (
              <NumbersTable view={view} trend={trend} />
            ) : (
              <TimeChart
                label={`${metricName(metric)}${by ? ` by ${fieldLabel(by)}` : ""}, ${rangeLabel(view.range)}`}
                kind={shape}
                additive={isAdditive(metric)}
                buckets={trend.buckets}
                series={series.filter((one) => !hidden.has(one.id))}
                interval={view.interval}
                zone={view.zone}
                partial={view.current}
                height={380}
              />
            )}
          </div>
        </section>
        {by !== "" && shape !== "table" && !trend.loading && trend.groups.length > 0 && (
          <section className="card" aria-label="Totals">
            <NumbersTable view={view} trend={trend} totalsOnly />
          </section>
        )}
      </Site>
    </>
  );
}
