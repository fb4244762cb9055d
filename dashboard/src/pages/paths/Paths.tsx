import { PathsTable } from "../../analyses/paths/PathsTable";
import { PathsView } from "../../analyses/paths/PathsView";
import {
  type Anchor,
  LENGTHS,
  MOST,
  type Paths as State,
  pathsParams,
  pathsQuery,
  readPaths,
} from "../../analyses/paths/state";
import { type QueryState, REFRESH, sameButRange, useAnswer } from "../../api/query";
import type { PathRow } from "../../api/types";
import { Segmented } from "../../components/controls/Segmented";
import { Select } from "../../components/controls/Select";
import { Card } from "../../components/display/Card";
import { EmptyState } from "../../components/display/EmptyState";
import { ErrorNote } from "../../components/display/ErrorNote";
import { Skeleton } from "../../components/display/Skeleton";
import { ValuePicker } from "../../components/events/TestPicker";
import { FilterBar } from "../../components/page/FilterBar";
import { Fresh, PageHead } from "../../components/page/PageHead";
import { RangePicker, ZonePicker } from "../../components/page/RangePicker";
import { Site } from "../../components/page/Site";
import { OpenReport, SaveButton } from "../../reports/saved/ReportBar";
import { pathsDraft } from "../../reports/saved/draft";
import { useParams, useView, type View } from "../../scope/scope";
import "./Paths.css";

export default function Paths() {
  const view = useView();
  const [params, update] = useParams();
  const paths = readPaths(params);
  const change = (to: Partial<State>) => update(pathsParams({ ...paths, ...to }));
  const result = useAnswer(view.ready ? pathsQuery(view.scope, paths) : null, {
    refresh: view.current ? REFRESH : false,
    keep: sameButRange,
  });
  const draft = pathsDraft(view, paths);
  return (
    <>
      <PageHead title="Paths" view={view} note={<Fresh result={result} zone={view.zone} />}>
        <ZonePicker view={view} />
        <RangePicker view={view} comparison={false} />
        <SaveButton {...{ view, draft }} />
      </PageHead>
      <OpenReport {...{ view, draft }} />
      <Site>
        <FilterBar view={view} />
        <section className="card" aria-label="Paths">
          <Controls {...{ view, paths }} onChange={change} />
          <Result
            {...{ paths, result }}
            onChoose={(at) => change({ at, anchor: paths.anchor === "end" ? "end" : "start" })}
          />
        </section>
        {result.answer && result.answer.rows.length > 0 && (
          <Card title="The ways in numbers">
            <div aria-busy={result.previous}>
              <PathsTable rows={result.answer.rows} by={paths.by} backwards={paths.anchor === "end"} />
            </div>
          </Card>
        )}
      </Site>
    </>
  );
}

const ANCHORS: { value: Anchor; label: string }[] = [
  { value: "none", label: "of whole visits" },
  { value: "start", label: "beginning with" },
  { value: "end", label: "leading to" },
];

function Controls({
  view,
  paths,
  onChange,
}: {
  view: View;
  paths: State;
  onChange: (change: Partial<State>) => void;
}) {
  return (
    <div className="paths-controls">
      <Segmented<State["by"]>
        label="Steps are"
        value={paths.by}
        options={[
          { value: "page", label: "Pages" },
          { value: "event", label: "Events" },
        ]}
        // A page is no event: what the paths begin with has to be chosen anew.
        onChange={(by) => onChange({ by, anchor: "none", at: "" })}
      />
      <Select
        label="Which paths"
        value={paths.anchor}
        options={ANCHORS}
        onChange={(anchor) => onChange({ anchor, at: anchor === "none" ? "" : paths.at })}
      />
      {paths.anchor !== "none" && (
        <ValuePicker
          view={view}
          field={paths.by === "page" ? "path" : "name"}
          label={paths.anchor === "start" ? "Start" : "End"}
          text={paths.at || (paths.by === "page" ? "Choose a page" : "Choose an event")}
          value={paths.at}
          onChoose={(at) => onChange({ at })}
        />
      )}
      <Select
        label="Length"
        value={String(paths.steps)}
        options={LENGTHS.map((count) => ({ value: String(count), label: `${count} steps` }))}
        onChange={(count) => onChange({ steps: Number(count) })}
      />
      <Select
        label="Shown of each step"
        value={String(paths.most)}
        options={MOST.map((count) => ({ value: String(count), label: `Top ${count} of a step` }))}
        onChange={(count) => onChange({ most: Number(count) })}
      />
      <label className="check">
        <input
          type="checkbox"
          checked={paths.merge}
          onChange={(event) => onChange({ merge: event.target.checked })}
        />
        Repeats are one step
      </label>
    </div>
  );
}

function Result({
  paths,
  result,
  onChoose,
}: {
  paths: State;
  result: QueryState<PathRow>;
  onChoose: (at: string) => void;
}) {
  const { answer, error, previous, retry } = result;
  if (paths.anchor !== "none" && paths.at === "") {
    return (
      <EmptyState
        title={`Choose the ${paths.by} that paths ${paths.anchor === "start" ? "begin with" : "lead to"}`}
      />
    );
  }
  if (error && !answer) return <ErrorNote error={error} retry={retry} />;
  if (!answer) return <Skeleton height={400} />;
  if (answer.rows.length === 0) {
    return (
      <EmptyState
        title={paths.at === "" ? "No visits in this range" : `No visits with ${paths.at} in this range`}
      >
        <p>
          Choose a longer range, or fewer filters.
          {paths.by === "page" && " Pages are the paths of page views."}
        </p>
      </EmptyState>
    );
  }
  return (
    <div className="paths-result" aria-busy={previous}>
      <PathsView
        rows={answer.rows}
        by={paths.by}
        end={paths.anchor === "end" ? paths.at : undefined}
        most={paths.most}
        onChoose={onChoose}
      />
      <p className="paths-key">
        <span className={paths.anchor === "end" ? "path-key begun" : "path-key"} aria-hidden />
        {paths.anchor === "end" ? "visits that began there" : "visits that ended there"}
        <span className="path-key others" aria-hidden /> others of the step
        <span className="paths-key-note">
          What {paths.anchor === "end" ? "came before the first" : "follows the last"} step is not looked at.
        </span>
      </p>
    </div>
  );
}
