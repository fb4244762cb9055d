import { Panel } from "./Panel";
import { RetentionView, type Shown } from "./RetentionView";
import { type RetentionState, FOLLOWING } from "./state";
import { REFRESH, sameButRange, useAnswer } from "../../api/query";
import type { RetentionQuery } from "../../api/types";
import { Segmented } from "../../components/controls/Segmented";
import { Select } from "../../components/controls/Select";
import { TestPicker } from "../../components/events/TestPicker";
import { testQuery } from "../../components/events/tests";
import { Fresh } from "../../components/page/PageHead";
import { PeriodPicker, type TabProps } from "./PeriodPicker";
import "./CohortsPanel.css";

const MODES: { value: RetentionState["mode"]; label: string }[] = [
  { value: "first_time", label: "for the first time" },
  { value: "recurring", label: "in any period" },
];

/** Who did something in a period, and which share of them came back in the following ones. */
export function Cohorts({ view, retention, onChange }: TabProps) {
  const query: RetentionQuery | null = view.ready
    ? {
        kind: "retention",
        ...view.scope,
        timezone: view.zone,
        week_start: view.weekStart,
        mode: retention.mode,
        interval: retention.every,
        periods: retention.following,
        start: testQuery(retention.start),
        returning: testQuery(retention.returning),
      }
    : null;
  const result = useAnswer(query, { refresh: view.current ? REFRESH : false, keep: sameButRange });
  const rows = result.answer?.rows ?? [];
  return (
    <>
      <section className="card sentence" aria-label="What is asked">
        <div className="sentence-part">
          <span className="muted">Users who did</span>
          <TestPicker
            view={view}
            label="Start event"
            test={retention.start}
            onChange={(start) => onChange({ start })}
          />
          <Select
            label="Which users are a cohort"
            value={retention.mode}
            options={MODES}
            onChange={(mode) => onChange({ mode })}
          />
        </div>
        <div className="sentence-part">
          <span className="muted">and came back to do</span>
          <TestPicker
            view={view}
            label="Return event"
            test={retention.returning}
            onChange={(returning) => onChange({ returning })}
          />
        </div>
      </section>
      <Panel
        result={result}
        title="Cohorts"
        empty={rows.every((row) => row.users === 0)}
        note={<Fresh result={result} zone={view.zone} />}
        controls={
          <>
            <PeriodPicker {...{ view, retention, onChange }} />
            <Select
              label="Following periods"
              value={String(retention.following)}
              options={FOLLOWING[retention.every].map((count) => ({
                value: String(count),
                label: `${count} ${retention.every}s after`,
              }))}
              onChange={(count) => onChange({ following: Number(count) })}
            />
            <Segmented<Shown>
              label="Shown as"
              value={retention.shown}
              options={[
                { value: "share", label: "%" },
                { value: "number", label: "Users" },
              ]}
              onChange={(shown) => onChange({ shown })}
            />
          </>
        }
      >
        <RetentionView rows={rows} interval={retention.every} zone={view.zone} shown={retention.shown} />
      </Panel>
    </>
  );
}
