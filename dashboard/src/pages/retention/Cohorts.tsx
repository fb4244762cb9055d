import { type RetentionQuestion, useAnalysis } from "../../api/analyses";
import { REFRESH } from "../../api/hooks";
import { RetentionView, type Shown } from "../../charts/RetentionView";
import { Fresh } from "../../parts/PageHead";
import { testQuestion } from "../../parts/tests";
import { TestPicker } from "../../parts/TestPicker";
import { Segmented, Select } from "../../ui/basics";
import { EveryPicker, type TabProps } from "./Retention";
import { Panel } from "./Panel";
import { type Coming, FOLLOWING } from "./state";

const MODES: { value: Coming["mode"]; label: string }[] = [
  { value: "first_time", label: "for the first time" },
  { value: "recurring", label: "in any period" },
];

/** Who did something in a period, and which share of them came back in the following ones. */
export function Cohorts({ view, coming, onChange }: TabProps) {
  const question: RetentionQuestion | null = view.ready
    ? {
        kind: "retention",
        ...view.scope,
        timezone: view.zone,
        mode: coming.mode,
        interval: coming.every,
        periods: coming.following,
        start: testQuestion(coming.start),
        returning: testQuestion(coming.returning),
      }
    : null;
  const asked = useAnalysis(question, view.current ? REFRESH : false);
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
            <EveryPicker {...{ view, coming, onChange }} />
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
