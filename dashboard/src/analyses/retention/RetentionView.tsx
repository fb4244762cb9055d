import { useState } from "react";
import { shareText } from "../funnel/funnel";
import { CohortTable } from "./CohortTable";
import { begun, meanRetention } from "./cohorts";
import type { PeriodLength } from "../../api/query";
import type { RetentionRow } from "../../api/types";
import { CurveChart } from "../../charts/CurveChart";
import { exact, share, short } from "../../format/number";
import { bucketLabel } from "../../format/time";
import "./RetentionView.css";

export type Shown = "share" | "number";

const NAMES: Record<PeriodLength, string> = { day: "Day", week: "Week", month: "Month" };

/** How the cohorts come back: the mean and each of them as curves, and below it every cohort's numbers. */
export function RetentionView({
  rows: all,
  interval,
  zone,
  shown,
  chart = true,
}: {
  rows: readonly RetentionRow[];
  interval: PeriodLength;
  zone: string;
  shown: Shown;
  /** Draw the curves above the table. */
  chart?: boolean;
}) {
  const rows = begun(all, (row) => row.users > 0);
  const [pointed, setPointed] = useState<string | null>(null);
  const periods = Math.max(0, ...rows.map((row) => row.returned.length));
  return (
    <div className="retention">
      {chart && periods > 1 && <Curves {...{ rows, interval, zone, periods, pointed }} />}
      <CohortTable
        {...{ rows, interval, zone, shown, periods }}
        unit={NAMES[interval]}
        pointed={pointed}
        onPoint={setPointed}
      />
    </div>
  );
}

function Curves({
  rows,
  interval,
  zone,
  periods,
  pointed,
}: {
  rows: readonly RetentionRow[];
  interval: PeriodLength;
  zone: string;
  periods: number;
  pointed: string | null;
}) {
  const mean = meanRetention(rows);
  const places = Array.from({ length: periods }, (_, index) => index);
  // Only what is over: a period under way would look like a fall.
  const over = (row: RetentionRow) =>
    places.map((period) => (period < row.complete ? (row.shares[period] ?? null) : null));
  const chosen = rows.find((row) => row.cohort === pointed && row.users > 0);
  const faint = rows
    .filter((row) => row.users > 0 && row !== chosen)
    .map((row) => ({
      id: row.cohort,
      label: "",
      colour: "var(--series-before)",
      values: over(row),
      faint: true,
    }));
  const main = {
    id: "mean",
    label: "All cohorts",
    colour: "var(--series-1)",
    values: mean.map(({ share }) => share),
  };
  const picked = chosen && {
    id: chosen.cohort,
    label: bucketLabel(chosen.cohort, interval, zone),
    colour: "var(--series-5)",
    values: over(chosen),
  };
  return (
    <>
      <ul className="legend" aria-label="Legend">
        <li className="legend-item">
          <span className="legend-key" style={{ background: main.colour }} />
          {main.label}
        </li>
        <li className="legend-item">
          <span className="legend-key thin" style={{ background: "var(--series-before)" }} />
          Each cohort
        </li>
        {picked && (
          <li className="legend-item">
            <span className="legend-key" style={{ background: picked.colour }} />
            {picked.label}
          </li>
        )}
      </ul>
      <CurveChart
        label={`Share of users who came back, by ${interval}`}
        kind="line"
        places={places.map((index) => `${NAMES[interval]} ${index}`)}
        curves={[...faint, main, ...(picked ? [picked] : [])]}
        format={share}
        exactly={shareText}
        note={(index) => {
          const { users, returned } = mean[index] ?? { users: 0, returned: 0 };
          return `${short(returned)} of ${exact(users)} users`;
        }}
      />
    </>
  );
}
