import { FunnelView } from "../../analyses/funnel/FunnelView";
import { funnelGroups, shareText, wholeFunnel } from "../../analyses/funnel/funnel";
import { readFunnel } from "../../analyses/funnel/state";
import { PathsView } from "../../analyses/paths/PathsView";
import { readPaths } from "../../analyses/paths/state";
import { ActiveUsersView, LifecycleView, StickinessView } from "../../analyses/retention/ActivityViews";
import { RetentionView } from "../../analyses/retention/RetentionView";
import { readRetention } from "../../analyses/retention/state";
import type { ReportAnswer, SavedReport } from "../../api/library";
import { EmptyState } from "../../components/display/EmptyState";
import { EventTable } from "../../components/events/EventTable";
import { testLabel } from "../../components/events/tests";
import { exact } from "../../format/number";
import { shownBy } from "../saved/draft";
import { Fill } from "./Fill";
import { RowsTable } from "./RowsTable";
import { TrendTile } from "./TrendTile";
import "./ReportChart.css";

interface Props<Answer = ReportAnswer> {
  report: SavedReport;
  answer: Answer;
  zone: string;
  /** The accessible name of the chart. */
  label: string;
  /** Rows of the board's grid that the tile covers. */
  tall: number;
  /** Whether events link to their user's timeline. */
  linked: boolean;
}

type AnswerOf<Kind extends ReportAnswer["kind"]> = Extract<ReportAnswer, { kind: Kind }>;

/** The answer of a report, drawn as its page draws it; a table for kinds that no page shows. */
export function ReportChart({ answer, ...rest }: Props) {
  const { zone, linked } = rest;
  if (answer.kind === "metrics" || answer.kind === "sessions") return <TrendTile {...rest} answer={answer} />;
  if (answer.rows.length === 0) return <EmptyState title="Nothing in this range" />;
  switch (answer.kind) {
    case "funnel":
      return <FunnelTile {...rest} answer={answer} />;
    case "retention":
      return <RetentionTile {...rest} answer={answer} />;
    case "paths":
      return <PathsTile {...rest} answer={answer} />;
    case "lifecycle":
    case "stickiness":
    case "active_users":
      return <ActivityTile {...rest} answer={answer} />;
    case "events":
      return (
        <div className="tile-scroll" tabIndex={0} role="group" aria-label="Events">
          <EventTable events={answer.rows} zone={zone} linked={linked} />
        </div>
      );
    default:
      return <RowsTable rows={answer.rows} zone={zone} />;
  }
}

function FunnelTile({ report, answer: { query, rows } }: Props<AnswerOf<"funnel">>) {
  const shown = shownBy(report);
  const chosen = shown?.page === "funnels" ? readFunnel(shown.params).steps : null;
  const steps =
    chosen?.length === query.steps.length
      ? chosen.map(testLabel)
      : query.steps.map(({ name }) => name ?? "Any event");
  const field = query.breakdown ?? undefined;
  const whole = wholeFunnel(funnelGroups(rows, field));
  const [first, last] = [whole[0], whole.at(-1)];
  if (!first?.users || !last) return <EmptyState title="No user did the first step" />;
  return (
    <div className="tile-scroll tile-funnel" tabIndex={0} role="group" aria-label="Funnel">
      <p className="funnel-whole">
        <strong className="number">{shareText(last.fromFirst)}</strong>
        <span className="muted">
          {exact(last.users)} of {exact(first.users)} users did all {whole.length} steps
        </span>
      </p>
      <FunnelView rows={rows} steps={steps} order={query.order ?? "ordered"} breakdown={field} />
    </div>
  );
}

function RetentionTile({ report, answer: { query, rows }, zone, tall }: Props<AnswerOf<"retention">>) {
  const shown = shownBy(report);
  if (rows.every((row) => row.users === 0)) return <EmptyState title="No known users in this range" />;
  return (
    <div className="tile-scroll" tabIndex={0} role="group" aria-label="Retention">
      <RetentionView
        rows={rows}
        interval={query.interval ?? "week"}
        zone={zone}
        shown={shown?.page === "retention" ? readRetention(shown.params, null).shown : "share"}
        chart={tall > 2}
      />
    </div>
  );
}

/** How many nodes of a column fit into a tile of so many rows; PathsView draws the others as one. */
const NODES_BY_HEIGHT: Record<number, number> = { 1: 2, 2: 2, 3: 4 };

function PathsTile({ report, answer: { query, rows }, tall }: Props<AnswerOf<"paths">>) {
  const shown = shownBy(report);
  return (
    <div className="tile-scroll" tabIndex={0} role="group" aria-label="Paths">
      <PathsView
        rows={rows}
        by={query.by ?? "page"}
        end={query.end ?? undefined}
        most={Math.min(
          NODES_BY_HEIGHT[tall] ?? 4,
          shown?.page === "paths" ? readPaths(shown.params).most : 6,
        )}
      />
    </div>
  );
}

/** Pixels of a tile that the legend and the line above the chart take. */
const ABOVE = { lifecycle: 26, stickiness: 0, active_users: 58 };

function ActivityTile({ answer, zone }: Props<AnswerOf<"lifecycle" | "stickiness" | "active_users">>) {
  return (
    <Fill>
      {(whole) => {
        const height = whole - ABOVE[answer.kind];
        switch (answer.kind) {
          case "lifecycle":
            return (
              <LifecycleView
                rows={answer.rows}
                interval={answer.query.interval ?? "week"}
                zone={zone}
                height={height}
              />
            );
          case "stickiness":
            return (
              <StickinessView rows={answer.rows} interval={answer.query.interval ?? "day"} height={height} />
            );
          default:
            return <ActiveUsersView rows={answer.rows} zone={zone} height={height} />;
        }
      }}
    </Fill>
  );
}
