import { FunnelTable } from "../../analyses/funnel/FunnelTable";
import { FunnelUsersDrawer } from "../../analyses/funnel/FunnelUsersDrawer";
import { FunnelView, type Outcome, stepName } from "../../analyses/funnel/FunnelView";
import { Settings } from "../../analyses/funnel/Settings";
import { Steps } from "../../analyses/funnel/Steps";
import { funnelGroups, shareText, wholeFunnel } from "../../analyses/funnel/funnel";
import { type Funnel, funnelParams, funnelScope, readFunnel } from "../../analyses/funnel/state";
import { type QueryState, REFRESH, sameButRange, useAnswer } from "../../api/query";
import { metricLabel, numberIn } from "../../api/rows";
import type { FunnelQuery, FunnelRow, MetricsRow } from "../../api/types";
import { Card } from "../../components/display/Card";
import { EmptyState } from "../../components/display/EmptyState";
import { ErrorNote } from "../../components/display/ErrorNote";
import { Skeleton } from "../../components/display/Skeleton";
import { ANY, type Test, testLabel } from "../../components/events/tests";
import { FilterBar } from "../../components/page/FilterBar";
import { Fresh, PageHead } from "../../components/page/PageHead";
import { RangePicker, ZonePicker } from "../../components/page/RangePicker";
import { Site } from "../../components/page/Site";
import { exact } from "../../format/number";
import { OpenReport, SaveButton } from "../../reports/saved/ReportBar";
import { funnelDraft } from "../../reports/saved/draft";
import { fieldLabel } from "../../scope/filters";
import { useParams, useView, type View } from "../../scope/scope";
import "./Funnels.css";

const USERS = { kind: "users" } as const;

/** What to begin with: the events that most users did, three at most. */
function useUsualSteps(
  view: View,
  wanted: boolean,
): { steps: Test[] | null; result: QueryState<MetricsRow> } {
  const result = useAnswer(
    wanted && view.ready
      ? { kind: "metrics", metrics: [USERS], breakdown: ["name"], top: 3, ...view.scope }
      : null,
    { keep: null },
  );
  const names = (result.answer?.rows ?? [])
    .filter((row) => (numberIn(row, metricLabel(USERS)) ?? 0) > 0)
    .map((row) => ({ name: String(row["name"]), filters: [] }));
  // Two steps are the least: who did any event twice, where there is but one name.
  const steps = names.length > 0 && names.length < 2 ? [...names, ANY] : names;
  return { steps: result.answer ? steps : null, result };
}

export default function Funnels() {
  const view = useView();
  const [params, update] = useParams();
  const funnel = readFunnel(params);
  const usual = useUsualSteps(view, funnel.steps === null);
  const chosen = funnel.steps ?? usual.steps;
  const steps = chosen?.length === 1 ? [...chosen, ANY] : chosen;
  const change = (to: Partial<Funnel>) => update(funnelParams(to));
  const query: FunnelQuery | null =
    view.ready && steps !== null && steps.length > 1
      ? {
          kind: "funnel",
          ...funnelScope(view.scope, steps, funnel),
          ...(funnel.by === "" ? {} : { breakdown: funnel.by, top: Number(funnel.top) }),
        }
      : null;
  const result = useAnswer(query, { refresh: view.current ? REFRESH : false, keep: sameButRange });
  const draft = funnelDraft(view, funnel, steps);
  return (
    <>
      <PageHead title="Funnels" view={view} note={<Fresh result={result} zone={view.zone} />}>
        <ZonePicker view={view} />
        <RangePicker view={view} comparison={false} />
        <SaveButton {...{ view, draft }} />
      </PageHead>
      <OpenReport {...{ view, draft }} />
      <Site>
        <FilterBar view={view} />
        {steps === null ? (
          usual.result.error ? (
            <ErrorNote error={usual.result.error} retry={usual.result.retry} />
          ) : (
            <Skeleton lines={2} height={200} />
          )
        ) : steps.length === 0 ? (
          <Card>
            <EmptyState title="No events of known users in this range">
              <p>
                A funnel counts users: events that have a user_id. Choose a longer range, or fewer filters.
              </p>
            </EmptyState>
          </Card>
        ) : (
          <>
            <section className="card funnel-builder" aria-label="What the funnel is">
              <Steps view={view} steps={steps} onChange={(to) => change({ steps: to, listed: null })} />
              <Settings view={view} funnel={{ ...funnel, steps }} onChange={change} />
            </section>
            <Result
              {...{ funnel, steps, result }}
              onUsers={(step, outcome) => change({ steps, listed: { step, outcome } })}
            />
          </>
        )}
        {funnel.listed && steps && (
          <FunnelUsersDrawer
            scope={funnelScope(view.scope, steps, funnel)}
            listed={funnel.listed}
            name={stepName(funnel.order, steps.map(testLabel), funnel.listed.step - 1)}
            grouped={funnel.by !== ""}
            zone={view.zone}
            onClose={() => change({ listed: null })}
          />
        )}
      </Site>
    </>
  );
}

/** The chart and the numbers. */
function Result({
  funnel,
  steps,
  result,
  onUsers,
}: {
  funnel: Funnel;
  steps: Test[];
  result: QueryState<FunnelRow>;
  onUsers: (step: number, outcome: Outcome) => void;
}) {
  const { answer, error, previous, retry } = result;
  if (error && !answer) {
    return (
      <Card>
        <ErrorNote error={error} retry={retry} />
      </Card>
    );
  }
  if (!answer) {
    return (
      <Card>
        <Skeleton height={360} />
      </Card>
    );
  }
  const field = funnel.by === "" ? undefined : funnel.by;
  const whole = wholeFunnel(funnelGroups(answer.rows, field));
  const [first, last] = [whole[0], whole.at(-1)];
  const shown = { rows: answer.rows, steps: steps.map(testLabel), order: funnel.order };
  if (!first?.users || !last) {
    return (
      <Card>
        <EmptyState title={`No user did ${funnel.order === "any" ? "any of the steps" : "the first step"}`}>
          <p>Choose a longer range, fewer filters or another event. Events without a user_id do not count.</p>
        </EmptyState>
      </Card>
    );
  }
  return (
    <>
      <section className="card" aria-label="Funnel" aria-busy={previous}>
        <p className="funnel-whole">
          <strong className="number">{shareText(last.fromFirst)}</strong>
          <span className="muted">
            {exact(last.users)} of {exact(first.users)} users did all {steps.length} steps
          </span>
        </p>
        <FunnelView {...shown} breakdown={field} onUsers={onUsers} />
      </section>
      <section className="card" aria-label="Numbers" aria-busy={previous}>
        <FunnelTable
          {...shown}
          breakdown={field === undefined ? undefined : { field, label: fieldLabel(field) }}
        />
      </section>
    </>
  );
}
