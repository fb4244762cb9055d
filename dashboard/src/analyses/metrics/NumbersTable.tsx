import { Change } from "./Numbers";
import type { Trend } from "./useTrend";
import { REST_COLOUR, seriesColour } from "../../charts/palette";
import { exact } from "../../format/number";
import { bucketLabel } from "../../format/time";
import type { View } from "../../scope/scope";

/** The numbers themselves: a row for each series, a column for each bucket. */
export function NumbersTable({
  view,
  trend,
  totalsOnly = false,
}: {
  view: View;
  trend: Trend;
  totalsOnly?: boolean;
}) {
  const { groups } = trend;
  // The newest first: it is what is looked for, and a long range does not fit.
  const columns = totalsOnly ? [] : trend.buckets.map((bucket, index) => ({ bucket, index })).reverse();
  const compared = groups.some((group) => group.totalBefore !== null);
  const number = (value: number | null | undefined) => (value == null ? "–" : exact(value));
  return (
    <div className="table-scroll" tabIndex={0} role="group" aria-label="Numbers">
      <table className="table wide">
        <thead>
          <tr>
            <th scope="col" className="sticky">
              Series
            </th>
            <th scope="col" className="right">
              Whole range
            </th>
            {compared && (
              <th scope="col" className="right">
                Change
              </th>
            )}
            {columns.map(({ bucket }) => (
              <th key={bucket} scope="col" className="right">
                {bucketLabel(bucket, view.interval, view.zone)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {groups.map((group, place) => (
            <tr key={group.id} data-group={group.id}>
              <th scope="row" className="sticky" title={group.label}>
                <span
                  className="swatch"
                  style={{ background: group.rest ? REST_COLOUR : seriesColour(place) }}
                  aria-hidden
                />
                {group.label}
              </th>
              <td className="right" data-total={group.total}>
                <strong>{number(group.total)}</strong>
              </td>
              {compared && (
                <td className="right">
                  <Change now={group.total} before={group.totalBefore} />
                </td>
              )}
              {columns.map(({ bucket, index }) => (
                <td key={bucket} className="right">
                  {number(group.values[index])}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
