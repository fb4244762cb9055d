import { Panel } from "./Panel";
import { RetentionView, type Shown } from "./RetentionView";
import { type Coming, FOLLOWING } from "./state";
import { REFRESH, sameButRange, useAnswer } from "../../api/query";
import type { RetentionQuery } from "../../api/types";
import { Segmented } from "../../components/controls/Segmented";
import { Select } from "../../components/controls/Select";
import { TestPicker } from "../../components/events/TestPicker";
import { testQuery } from "../../components/events/tests";
import { Fresh } from "../../components/page/PageHead";
import { PeriodPicker, type TabProps } from "./PeriodPicker";
import "./CohortsPanel.css";

const MODES: { value: Coming["mode"]; label: string }[] = [
  { value: "first_time", label: "for the first time" },
  { value: "recurring", label: "in any period" },
];

/** Who did something in a period, and which share of them came back in the following ones. */
export function Cohorts({ view, coming, onChange }: TabProps) {
  const question: RetentionQuery | null = view.ready
    ? {
        kind: "retention",
        ...view.scope,
        timezone: view.zone,
        mode: coming.mode,
        interval: coming.every,
        periods: coming.following,
        start: testQuery(coming.start),
        returning: testQuery(coming.returning),
      }
    : null;
  const asked = useAnswer(question, { refresh: view.current ? REFRESH : false, keep: sameButRange });
  const rows = asked.answer?.rows ?? [];
  return (
    <>
      <section className="card sentence" aria-label="What is asked">
        <div className="sentence-part">
          <span className="muted">Users who did</span>
          <TestPicker
            view={view}
            label="Start event"
            test={coming.start}
            onChange={(start) => onChange({ start })}
          />
          <Select
            label="Which users are a cohort"
            value={coming.mode}
            options={MODES}
            onChange={(mode) => onChange({ mode })}
          />
        </div>
        <div className="sentence-part">
          <span className="muted">and came back to do</span>
          <TestPicker
            view={view}
            label="Return event"
            test={coming.returning}
            onChange={(returning) => onChange({ returning })}
          />
        </div>
      </section>
      <Panel
        asked={asked}
        title="Cohorts"
        empty={rows.every((row) => row.users === 0)}
        note={<Fresh asked={asked} zone={view.zone} />}
        controls={
          <>
            <PeriodPicker {...{ view, coming, onChange }} />
            <Select
              label="Following periods"
              value={String(coming.following)}
              options={FOLLOWING[coming.every].map((count) => ({
                value: String(count),
                label: `${count} ${coming.every}s after`,
              }))}
              onChange={(count) => onChange({ following: Number(count) })}
            />
            <Segmented<Shown>
              label="Shown as"
              value={coming.shown}
              options={[
                { value: "share", label: "%" },
                { value: "number", label: "Users" },
              ]}
              onChange={(shown) => onChange({ shown })}
            />
          </>
        }
      >
        <RetentionView rows={rows} interval={coming.every} zone={view.zone} shown={coming.shown} />
      </Panel>
    </>
  );
}
