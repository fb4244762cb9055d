import { Change } from "../../analyses/metrics/Numbers";
import { chartSeries } from "../../analyses/metrics/chartSeries";
import type { Group } from "../../analyses/metrics/series";
import type { SavedReport } from "../../api/library";
import { Legend, TimeChart } from "../../charts/TimeChart";
import { REST_COLOUR, seriesColour } from "../../charts/palette";
import { BarList } from "../../components/display/BarList";
import { EmptyState } from "../../components/display/EmptyState";
import { exactIn, shortIn, type Unit } from "../../format/number";
import { bucketLabel } from "../../format/time";
import { Fill } from "./Fill";
import { RowsTable } from "./RowsTable";
import { type TileTrend, tileTrend, type TrendAnswer } from "./trend";
import "./TrendTile.css";

const NONE: ReadonlySet<string> = new Set();

/** Metrics and sessions: over time, as numbers, as bars, or as a table. */
export function TrendTile({
  report,
  answer,
  zone,
  label,
  tall,
}: {
  report: SavedReport;
  answer: TrendAnswer;
  zone: string;
  label: string;
  tall: number;
}) {
  const trend = tileTrend(report, answer, zone);
  if (!trend) return <RowsTable rows={answer.rows} zone={zone} />;
  if (trend.groups.length === 0 || (trend.interval !== null && trend.buckets.length === 0))
    return <EmptyState title="Nothing happened in this range" />;
  if (trend.shape === "number") return <TileNumbers trend={trend} />;
  if (trend.shape === "bars" || trend.interval === null) return <TileBars trend={trend} />;
  if (trend.shape === "table") return <TileNumbersTable trend={trend} zone={zone} />;
  const { shown, legend } = chartSeries(trend, NONE);
  const { shape, interval, columns, by } = trend;
  const compared = shown.some((one) => one.dashed);
  return (
    <>
      {(legend.length > 1 || (compared && tall > 1)) && (
        <div className="explore-legend tile-legend">
          <Legend series={legend} />
          {compared && (
            <span className="legend-item muted">
              <span className="legend-key dashed" />
              Period before
            </span>
          )}
        </div>
      )}
      <Fill>
        {(height) => (
          <TimeChart
            label={label}
            kind={shape}
            additive={by !== null && (columns[0]?.additive ?? false)}
            buckets={trend.buckets}
            series={shown}
            interval={interval}
            zone={zone}
            complete={trend.complete}
            height={height}
            unit={trend.unit}
          />
        )}
      </Fill>
    </>
  );
}

/** The unit of a group: with several columns each is a group of its own. */
function unitOf(trend: TileTrend, group: Group): Unit {
  if (trend.by !== null) return trend.unit;
  if (group.id === "bounce_rate") return "share";
  return group.id.endsWith("_duration") ? "seconds" : trend.unit;
}

function TileNumbers({ trend }: { trend: TileTrend }) {
  const { groups } = trend;
  return (
    <ul className={groups.length === 1 ? "tile-numbers single" : "tile-numbers"}>
      {groups.map((group) => {
        const unit = unitOf(trend, group);
        return (
          <li key={group.id} data-group={group.id}>
            <strong
              className="number"
              title={group.total === null ? undefined : exactIn(unit, group.total)}
              data-exact={group.total}
            >
              {group.total === null ? "–" : shortIn(unit, group.total)}
            </strong>
            <span className="numbers-name" title={group.label}>
              {group.label}
            </span>
            <Change now={group.total} before={group.totalBefore} />
          </li>
        );
      })}
    </ul>
  );
}

function TileBars({ trend }: { trend: TileTrend }) {
  const rows = trend.groups.map((group) => ({
    value: group.rest ? undefined : group.id === "none" ? null : group.id.slice(1),
    number: group.total ?? 0,
    label: group.label,
  }));
  return (
    <div className="tile-scroll" tabIndex={0} role="group" aria-label="Values">
      <BarList
        rows={rows}
        unit={(trend.columns[0]?.name ?? "").toLowerCase()}
        whole={null}
        chosen={() => false}
        choosable={() => false}
        onChoose={() => {}}
      />
    </div>
  );
}

function TileNumbersTable({ trend, zone }: { trend: TileTrend; zone: string }) {
  const { groups, interval, buckets } = trend;
  if (interval === null) return null;
  // The newest first, as on the page.
  const newest = buckets.map((bucket, index) => ({ bucket, index })).reverse();
  return (
    <div className="table-scroll tile-table" tabIndex={0} role="group" aria-label="Numbers">
      <table className="table">
        <thead>
          <tr>
            <th scope="col">Time</th>
            {groups.map((group, place) => (
              <th key={group.id} scope="col" className="right" title={group.label}>
                <span
                  className="swatch"
                  style={{ background: group.rest ? REST_COLOUR : seriesColour(place) }}
                  aria-hidden
                />
                {group.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {newest.map(({ bucket, index }) => (
            <tr key={bucket}>
              <th scope="row">{bucketLabel(bucket, interval, zone)}</th>
              {groups.map((group) => {
                const value = group.values[index] ?? null;
                return (
                  <td key={group.id} className="right">
                    {value === null ? "–" : exactIn(unitOf(trend, group), value)}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
