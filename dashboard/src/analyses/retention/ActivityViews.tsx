import { shareText } from "../funnel/funnel";
import { begun } from "./cohorts";
import type { PeriodLength } from "../../api/query";
import type { ActiveUsersRow, LifecycleRow, StickinessRow } from "../../api/types";
import { CurveChart } from "../../charts/CurveChart";
import { Legend, type Series, TimeChart } from "../../charts/TimeChart";
import { exact, short } from "../../format/number";
import "./ActivityViews.css";

const LIFECYCLE = [
  { id: "new", label: "New", colour: "var(--series-1)" },
  { id: "returning", label: "Returning", colour: "var(--series-3)" },
  { id: "resurrecting", label: "Resurrecting", colour: "var(--series-6)" },
  { id: "dormant", label: "Dormant", colour: "var(--series-5)" },
] as const;

/** Who is active, and below zero who went dormant. */
export function LifecycleView({
  rows: all,
  interval,
  zone,
  height,
}: {
  rows: readonly LifecycleRow[];
  interval: PeriodLength;
  zone: string;
  height?: number;
}) {
  const rows = begun(all, (row) => row.new + row.returning + row.resurrecting + row.dormant > 0);
  const series: Series[] = LIFECYCLE.map(({ id, label, colour }) => ({
    id,
    label,
    colour,
    values: rows.map((row) => (id === "dormant" ? -row[id] : row[id])),
  }));
  return (
    <>
      <Legend series={series} />
      <TimeChart
        label={`New, returning, resurrecting and dormant users by ${interval}`}
        kind="bar"
        additive
        buckets={rows.map((row) => row.bucket)}
        series={series}
        interval={interval}
        zone={zone}
        complete={rows.map((row) => row.complete)}
        {...(height === undefined ? {} : { height })}
      />
    </>
  );
}

/** How many users were active in just so many days, weeks or months. */
export function StickinessView({
  rows,
  interval,
  height,
}: {
  rows: readonly StickinessRow[];
  interval: PeriodLength;
  height?: number;
}) {
  const users = {
    id: "users",
    label: "Users",
    colour: "var(--series-1)",
    values: rows.map((row) => row.users),
  };
  return (
    <CurveChart
      label={`Users by how many ${interval}s they were active in`}
      kind="bar"
      places={rows.map((row) => `${row.periods} ${interval}${row.periods === 1 ? "" : "s"}`)}
      curves={[users]}
      format={short}
      exactly={exact}
      note={(index) => {
        const row = rows[index];
        return row ? `${shareText(row.share)} of all; ${exact(row.at_least)} in as many or more` : "";
      }}
      {...(height === undefined ? {} : { height })}
    />
  );
}

const ACTIVE = [
  { id: "mau", label: "Monthly (30 days)", colour: "var(--series-3)" },
  { id: "wau", label: "Weekly (7 days)", colour: "var(--series-2)" },
  { id: "dau", label: "Daily", colour: "var(--series-1)" },
] as const;

/** Active users of the day, and of the 7 and 30 days that end with it. */
export function ActiveUsersView({
  rows,
  zone,
  height,
}: {
  rows: readonly ActiveUsersRow[];
  zone: string;
  height?: number;
}) {
  const series: Series[] = ACTIVE.map(({ id, label, colour }) => ({
    id,
    label,
    colour,
    values: rows.map((row) => row[id]),
  }));
  const over = rows.filter((row) => row.complete).at(-1);
  return (
    <>
      {over && (
        <p className="active-line">
          <strong className="number">{exact(over.dau)}</strong> users on the last whole day:{" "}
          {shareText(over.dau_wau)} of its week’s, {shareText(over.dau_mau)} of those of its 30 days.
        </p>
      )}
      <Legend series={series} />
      <TimeChart
        label="Daily, weekly and monthly active users"
        kind="line"
        additive={false}
        buckets={rows.map((row) => row.bucket)}
        series={series}
        interval="day"
        zone={zone}
        complete={rows.map((row) => row.complete)}
        {...(height === undefined ? {} : { height })}
      />
    </>
  );
}
