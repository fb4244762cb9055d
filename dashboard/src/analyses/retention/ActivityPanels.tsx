import { shareText } from "../funnel/funnel";
import { ActiveUsersView, LifecycleView, StickinessView } from "./ActivityViews";
import { Panel } from "./Panel";
import { begun } from "./cohorts";
import { type QueryState, REFRESH, sameButRange, useAnswer } from "../../api/query";
import { Fresh } from "../../components/page/PageHead";
import { exact } from "../../format/number";
import { bucketLabel } from "../../format/time";
import { PeriodPicker, type TabProps } from "./PeriodPicker";

const HEIGHT = 340;

/** Who is new, stays, comes back or stays away. */
export function Lifecycle({ view, retention, onChange }: TabProps) {
  const result = useAnswer(
    view.ready
      ? {
          kind: "lifecycle",
          ...view.scope,
          timezone: view.zone,
          week_start: view.weekStart,
          interval: retention.every,
        }
      : null,
    { refresh: view.current ? REFRESH : false, keep: sameButRange },
  );
  const rows = result.answer?.rows ?? [];
  return (
    <>
      <Panel
        title="Lifecycle"
        result={result}
        empty={rows.every((row) => row.new + row.returning + row.resurrecting + row.dormant === 0)}
        note={<Fresh result={result} zone={view.zone} />}
        controls={<PeriodPicker {...{ view, retention, onChange }} />}
      >
        <LifecycleView rows={rows} interval={retention.every} zone={view.zone} height={HEIGHT} />
      </Panel>
      <Numbers
        result={result}
        label="Lifecycle by period"
        head={["Period", "New", "Returning", "Resurrecting", "Dormant"]}
        rows={begun(rows, (row) => row.new + row.returning + row.resurrecting + row.dormant > 0)
          .map((row) => ({
            name: named(bucketLabel(row.bucket, retention.every, view.zone), row.complete),
            cells: [row.new, row.returning, row.resurrecting, row.dormant].map(exact),
          }))
          .reverse()}
      />
    </>
  );
}

/** In how many periods users were active. */
export function Stickiness({ view, retention, onChange }: TabProps) {
  const result = useAnswer(
    view.ready
      ? {
          kind: "stickiness",
          ...view.scope,
          timezone: view.zone,
          week_start: view.weekStart,
          interval: retention.every,
        }
      : null,
    { refresh: view.current ? REFRESH : false, keep: sameButRange },
  );
  const rows = result.answer?.rows ?? [];
  return (
    <>
      <Panel
        title="Stickiness"
        result={result}
        empty={rows.every((row) => row.users === 0)}
        note={<Fresh result={result} zone={view.zone} />}
        controls={<PeriodPicker {...{ view, retention, onChange }} />}
      >
        <p className="muted panel-lead">
          How many users were active in just so many {retention.every}s of the range.
        </p>
        <StickinessView rows={rows} interval={retention.every} height={HEIGHT} />
      </Panel>
      <Numbers
        result={result}
        label="Stickiness by number of periods"
        head={["Active in", "Users", "Share", "In so many or more"]}
        rows={rows.map((row) => ({
          name: `${row.periods} ${retention.every}${row.periods === 1 ? "" : "s"}`,
          cells: [exact(row.users), shareText(row.share), exact(row.at_least)],
        }))}
      />
    </>
  );
}

/** Active users by day, and of the 7 and 30 days before. */
export function ActiveUsers({ view }: TabProps) {
  const result = useAnswer(view.ready ? { kind: "active_users", ...view.scope, timezone: view.zone } : null, {
    refresh: view.current ? REFRESH : false,
    keep: sameButRange,
  });
  const rows = result.answer?.rows ?? [];
  return (
    <>
      <Panel
        title="Active users"
        result={result}
        empty={rows.every((row) => row.mau === 0)}
        note={<Fresh result={result} zone={view.zone} />}
      >
        <ActiveUsersView rows={rows} zone={view.zone} height={HEIGHT} />
      </Panel>
      <Numbers
        result={result}
        label="Active users by day"
        head={["Day", "Daily", "Weekly", "Monthly", "Daily of weekly", "Daily of monthly"]}
        rows={rows
          .map((row) => ({
            name: named(bucketLabel(row.bucket, "day", view.zone), row.complete),
            cells: [
              exact(row.dau),
              exact(row.wau),
              exact(row.mau),
              shareText(row.dau_wau),
              shareText(row.dau_mau),
            ],
          }))
          .reverse()}
      />
    </>
  );
}

function named(name: string, complete: boolean): string {
  return complete ? name : `${name}, so far`;
}

/** The numbers of the chart above. */
function Numbers({
  result,
  label,
  head,
  rows,
}: {
  result: QueryState<unknown>;
  label: string;
  head: string[];
  rows: { name: string; cells: string[] }[];
}) {
  if (!result.answer || rows.length === 0) return null;
  return (
    <section className="card" aria-label={label} aria-busy={result.previous}>
      <div className="table-scroll tall" tabIndex={0} role="group" aria-label="Numbers">
        <table className="table wide">
          <thead>
            <tr>
              {head.map((title, index) => (
                <th key={title} scope="col" className={index === 0 ? "sticky" : "right"}>
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ name, cells }) => (
              <tr key={name}>
                <th scope="row" className="sticky">
                  {name}
                </th>
                {cells.map((cell, index) => (
                  <td key={index} className="right">
                    {cell}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
