import { shareText } from "../funnel/funnel";
import { level, LEVELS, meanRetention, strongest } from "./cohorts";
import type { PeriodLength } from "../../api/query";
import type { RetentionRow } from "../../api/types";
import { exact, short } from "../../format/number";
import { bucketLabel, tick } from "../../format/time";
import "./CohortTable.css";

interface Props {
  rows: readonly RetentionRow[];
  interval: PeriodLength;
  zone: string;
  shown: "share" | "number";
  periods: number;
  unit: string;
  /** The cohort that is pointed at. */
  pointed: string | null;
  onPoint: (cohort: string | null) => void;
}

/** A row for each cohort, its shares or numbers coloured by their share; a period that is not over is hatched. */
export function CohortTable({ rows, interval, zone, shown, periods, unit, pointed, onPoint }: Props) {
  const most = strongest(rows);
  const columns = Array.from({ length: periods }, (_, index) => index);
  return (
    <>
      <div className="table-scroll cohort-scroll" tabIndex={0} role="group" aria-label="Cohorts">
        <table className="cohorts" onPointerLeave={() => onPoint(null)}>
          <thead>
            <tr>
              <th scope="col" className="sticky">
                Cohort
              </th>
              <th scope="col" className="right">
                Users
              </th>
              {columns.map((index) => (
                <th key={index} scope="col">
                  {periods > 14 ? index : `${unit} ${index}`}
                </th>
              ))}
            </tr>
          </thead>
          <tbody className="mean-body">
            <MeanRow rows={rows} shown={shown} most={most} />
          </tbody>
          <tbody>
            {rows.map((row) => (
              <tr
                key={row.cohort}
                data-cohort={row.cohort}
                className={row.cohort === pointed ? "pointed" : undefined}
                onPointerEnter={() => onPoint(row.cohort)}
              >
                <th scope="row" className="sticky" title={bucketLabel(row.cohort, interval, zone)}>
                  {tick(row.cohort, interval, zone)}
                </th>
                <td className="right">{exact(row.users)}</td>
                {columns.map((index) => (
                  <Cell key={index} row={row} index={index} {...{ shown, most }} unit={unit} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <Scale most={most} rows={rows} unit={unit} />
    </>
  );
}

function Cell({
  row,
  index,
  shown,
  most,
  unit,
}: {
  row: RetentionRow;
  index: number;
  shown: "share" | "number";
  most: number;
  unit: string;
}) {
  const returned = row.returned[index];
  if (returned === undefined) return <td className="cohort-later" />;
  const part = row.shares[index] ?? null;
  const running = index >= row.complete;
  const title = `${unit} ${index}: ${exact(returned)} of ${exact(row.users)} users, ${shareText(part)}`;
  return (
    <td
      className={`heat heat-${level(part, most)}${running ? " running" : ""}`}
      title={running ? `${title} so far` : title}
      data-returned={returned}
    >
      {shown === "number" ? short(returned) : shareText(part)}
      {running && <span className="hidden-text"> so far</span>}
    </td>
  );
}

function MeanRow({
  rows,
  shown,
  most,
}: {
  rows: readonly RetentionRow[];
  shown: "share" | "number";
  most: number;
}) {
  const mean = meanRetention(rows);
  return (
    <tr className="mean" data-mean>
      <th scope="row" className="sticky" title="Of the cohorts for which the period is over, by users">
        All cohorts
      </th>
      <td className="right">{exact(rows.reduce((sum, row) => sum + row.users, 0))}</td>
      {mean.map(({ share: part, returned, users }, index) => (
        <td
          key={index}
          className={`heat heat-${level(part, most)}`}
          title={`${exact(returned)} of ${exact(users)} users of the cohorts for which it is over`}
        >
          {part === null ? "–" : shown === "number" ? short(returned) : shareText(part)}
        </td>
      ))}
    </tr>
  );
}

function Scale({ most, rows, unit }: { most: number; rows: readonly RetentionRow[]; unit: string }) {
  const beyond = rows.some((row) => (row.shares[0] ?? 0) > most);
  return (
    <p className="heat-scale">
      <span>0%</span>
      <span className="heat-steps" aria-hidden>
        {Array.from({ length: LEVELS + 1 }, (_, index) => (
          <span key={index} className={`heat-${index}`} />
        ))}
      </span>
      <span>
        {shareText(most)}
        {beyond && " and more"}
      </span>
      <span className="heat-running">
        <span className="heat heat-3 running" aria-hidden /> {unit.toLowerCase()} not over yet
      </span>
    </p>
  );
}
