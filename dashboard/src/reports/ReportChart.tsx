import type {
  ActiveUsersRow,
  EventTest,
  FunnelOrder,
  FunnelRow,
  LifecycleRow,
  PathRow,
  Period,
  RetentionRow,
  StickinessRow,
} from "../api/analyses";
import type { Report, RunAnswer } from "../api/library";
import type { EventRow } from "../api/types";
import { FunnelView } from "../charts/FunnelView";
import { funnelGroups, shareText, wholeFunnel } from "../charts/funnel";
import { PathsView } from "../charts/PathsView";
import { ActiveUsersView, LifecycleView, StickinessView } from "../charts/PersonsViews";
import { RetentionView } from "../charts/RetentionView";
import { exact } from "../format/number";
import { readFunnel } from "../pages/funnels/state";
import { readPaths } from "../pages/paths/state";
import { readComing } from "../pages/retention/state";
import { EventTable } from "../parts/EventTable";
import { testLabel } from "../parts/tests";
import { Nothing } from "../ui/basics";
import { shownBy } from "./draft";
import { Fill } from "./Fill";
import { RowsTable } from "./RowsTable";
import { TrendTile } from "./TrendTile";

interface Props {
  report: Report;
  answer: RunAnswer;
  /** When it came. */
  at: number;
  zone: string;
  /** What the chart is called. */
  label: string;
  /** Rows of the board's grid that there are. */
  tall: number;
  /** Users may be looked at one by one. */
  linked: boolean;
}

/** The answer of a report, drawn as its page draws it; a table for what no page shows. */
export function ReportChart(props: Props) {
  const { report, answer, zone, linked } = props;
  const { rows } = answer;
  if (report.question.kind === "metrics" || report.question.kind === "sessions")
    return <TrendTile {...props} />;
  if (rows.length === 0) return <Nothing title="Nothing in this range" />;
  switch (report.question.kind) {
    case "funnel":
      return <FunnelTile {...props} />;
    case "retention":
      return <RetentionTile {...props} />;
    case "paths":
      return <PathsTile {...props} />;
    case "lifecycle":
    case "stickiness":
    case "active_users":
      return <PersonsTile {...props} />;
    case "events":
      return (
        <div className="tile-scroll" tabIndex={0} role="group" aria-label="Events">
          <EventTable events={rows as unknown as EventRow[]} zone={zone} linked={linked} />
        </div>
      );
    default:
      return <RowsTable rows={rows} zone={zone} />;
  }
}

function everyOf(report: Report, usual: Period): Period {
  return (report.question["interval"] as Period | undefined) ?? usual;
}

function FunnelTile({ report, answer }: Props) {
  const rows = answer.rows as unknown as FunnelRow[];
  const tests = report.question["steps"] as EventTest[];
  const shown = shownBy(report);
  const chosen = shown?.page === "funnels" ? readFunnel(shown.params).steps : null;
  const steps =
    chosen?.length === tests.length ? chosen.map(testLabel) : tests.map(({ name }) => name ?? "Any event");
  const field = report.question["breakdown"] as string | undefined;
  const whole = wholeFunnel(funnelGroups(rows, field));
  const [first, last] = [whole[0], whole.at(-1)];
  if (!first?.users || !last) return <Nothing title="Nobody did the first step" />;
  return (
    <div className="tile-scroll tile-funnel" tabIndex={0} role="group" aria-label="Funnel">
      <p className="funnel-whole">
        <strong className="number">{shareText(last.fromFirst)}</strong>
        <span className="muted">
          {exact(last.users)} of {exact(first.users)} users did all {whole.length} steps
        </span>
      </p>
      <FunnelView
        rows={rows}
        steps={steps}
        order={(report.question["order"] as FunnelOrder | undefined) ?? "ordered"}
        breakdown={field}
      />
    </div>
  );
}

function RetentionTile({ report, answer, zone, tall }: Props) {
  const rows = answer.rows as unknown as RetentionRow[];
  const shown = shownBy(report);
  if (rows.every((row) => row.users === 0)) return <Nothing title="No known users in this range" />;
  return (
    <div className="tile-scroll" tabIndex={0} role="group" aria-label="Retention">
      <RetentionView
        rows={rows}
        interval={everyOf(report, "week")}
        zone={zone}
        shown={shown?.page === "retention" ? readComing(shown.params, null).shown : "share"}
        chart={tall > 2}
      />
    </div>
  );
}

/** Nodes of a column that fit a tile's height; the others are drawn as one. */
const NODES = { 1: 2, 2: 2, 3: 4 } as Record<number, number>;

function PathsTile({ report, answer, tall }: Props) {
  const rows = answer.rows as unknown as PathRow[];
  const shown = shownBy(report);
  const end = report.question["end"];
  return (
    <div className="tile-scroll" tabIndex={0} role="group" aria-label="Paths">
      <PathsView
        rows={rows}
        by={report.question["by"] === "event" ? "event" : "page"}
        end={typeof end === "string" ? end : undefined}
        most={Math.min(NODES[tall] ?? 4, shown?.page === "paths" ? readPaths(shown.params).most : 6)}
      />
    </div>
  );
}

/** Of a tile's height: the legend, and the line above it. */
const ABOVE = { lifecycle: 26, stickiness: 0, active_users: 58 } as const;

function PersonsTile({ report, answer, zone }: Props) {
  const kind = report.question.kind as keyof typeof ABOVE;
  return (
    <Fill>
      {(whole) => {
        const height = whole - ABOVE[kind];
        if (kind === "lifecycle") {
          const rows = answer.rows as unknown as LifecycleRow[];
          return <LifecycleView rows={rows} interval={everyOf(report, "week")} zone={zone} height={height} />;
        }
        if (kind === "stickiness") {
          const rows = answer.rows as unknown as StickinessRow[];
          return <StickinessView rows={rows} interval={everyOf(report, "day")} height={height} />;
        }
        const rows = answer.rows as unknown as ActiveUsersRow[];
        return <ActiveUsersView rows={rows} zone={zone} height={height} />;
      }}
    </Fill>
  );
}
