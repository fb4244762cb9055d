import { type Funnel, funnelParams, funnelScope } from "../../analyses/funnel/state";
import {
  columnsOf,
  type Exploration,
  explorationParams,
  readExploration,
} from "../../analyses/metrics/state";
import { type Paths, pathsParams, pathsQuery } from "../../analyses/paths/state";
import { type RetentionState, retentionParams } from "../../analyses/retention/state";
import type { SavedReport } from "../../api/library";
import type { Query, QueryScope } from "../../api/query";
import type { MetricsQuery } from "../../api/types";
import { type Test, testLabel, testQuery } from "../../components/events/tests";
import { rangeFrom, rangeText, type WeekStart } from "../../scope/range";
import { fieldLabel, toApi } from "../../scope/filters";
import { botsParams, filterParams, type Params, rangeParams, type View } from "../../scope/scope";

/** What a page shows as a report, and the way back: a report's address. Nothing here sends a query or draws. */

export const REPORT_PAGES = {
  explore: "/ui/explore",
  funnels: "/ui/funnels",
  retention: "/ui/retention",
  paths: "/ui/paths",
} as const;

export type ReportPage = keyof typeof REPORT_PAGES;

export interface Draft {
  page: ReportPage;
  /** The page's part of the address, with its filters; without site, range and time zone. */
  params: string;
  question: Query;
  /** What it may be called. */
  title: string;
}

/** The part of the page's view that goes into a report's query. */
export type Asking = Pick<View, "filters" | "bots" | "interval" | "compare" | "range" | "weekStart">;

function textOf(params: Params): string {
  const text = new URLSearchParams();
  for (const [name, value] of Object.entries(params))
    for (const each of Array.isArray(value) ? value : value === null ? [] : [value]) text.append(name, each);
  text.sort();
  return text.toString();
}

function filterOf({ filters, bots }: Pick<View, "filters" | "bots">): Pick<QueryScope, "filter" | "bots"> {
  const filter = toApi(filters);
  return { ...(filter ? { filter } : {}), ...(bots ? { bots: "include" } : {}) };
}

type Weeks = Pick<View, "weekStart">;

/** Weeks begin on Monday where a query does not say otherwise. */
function weeksOf({ weekStart }: Weeks): { week_start?: WeekStart } {
  return weekStart === "monday" ? {} : { week_start: weekStart };
}

function weekParam({ weekStart }: Weeks): string | null {
  return weekStart === "monday" ? null : weekStart;
}

export function exploreDraft(view: Asking, exploration: Exploration): Draft {
  const { by, top, shape } = exploration;
  const { metrics, formulas, columns } = columnsOf(exploration);
  const all = "preset" in view.range && view.range.preset === "all";
  const number = shape === "number";
  const question: MetricsQuery = {
    kind: "metrics",
    metrics,
    ...(formulas.length > 0 ? { formulas } : {}),
    ...(number ? {} : { interval: view.interval }),
    ...weeksOf(view),
    ...(by === "" ? {} : { breakdown: [by], top: Number(top), other: true }),
    // As the page does it: of groups only the totals are compared.
    ...(view.compare && !all && (number || by === "") ? { compare: "previous" } : {}),
    ...filterOf(view),
  };
  const params = {
    ...explorationParams(exploration),
    ...filterParams(view.filters),
    ...botsParams(view.bots),
    interval: view.interval,
    compare: view.compare ? null : "0",
    week: weekParam(view),
  };
  return {
    page: "explore",
    params: textOf(params),
    question,
    title: `${columns.map(({ name }) => name).join(", ")}${by === "" ? "" : ` by ${fieldLabel(by)}`}`,
  };
}

/** null while there are no two steps. */
export function funnelDraft(view: Asking, funnel: Funnel, steps: Test[] | null): Draft | null {
  if (steps === null || steps.length < 2) return null;
  const parts = funnel.by === "" ? {} : { breakdown: funnel.by, top: Number(funnel.top) };
  return {
    page: "funnels",
    params: textOf({
      ...funnelParams({ ...funnel, steps, listed: null }),
      ...filterParams(view.filters),
      ...botsParams(view.bots),
    }),
    question: { kind: "funnel", ...funnelScope(filterOf(view), steps, funnel), ...parts },
    title: `From ${testLabel(steps[0] ?? { name: "", filters: [] })} to ${testLabel(steps.at(-1) ?? { name: "", filters: [] })}`,
  };
}

const TAB_TITLES: Record<RetentionState["tab"], string> = {
  retention: "Retention",
  lifecycle: "Lifecycle",
  stickiness: "Stickiness",
  active: "Active users",
};

function retentionQuery(retention: RetentionState): Query {
  const { tab, every: interval } = retention;
  switch (tab) {
    case "retention":
      return {
        kind: "retention",
        mode: retention.mode,
        interval,
        periods: retention.following,
        start: testQuery(retention.start),
        returning: testQuery(retention.returning),
      };
    case "active":
      return { kind: "active_users" };
    default:
      return { kind: tab, interval };
  }
}

export function retentionDraft(view: Asking, retention: RetentionState): Draft {
  const { tab, every } = retention;
  return {
    page: "retention",
    params: textOf({
      ...retentionParams(retention),
      ...filterParams(view.filters),
      ...botsParams(view.bots),
      week: weekParam(view),
    }),
    question: { ...retentionQuery(retention), ...weeksOf(view), ...filterOf(view) },
    title: tab === "active" ? TAB_TITLES[tab] : `${TAB_TITLES[tab]} by ${every}`,
  };
}

/** null while what the paths begin with is not chosen. */
export function pathsDraft(view: Asking, paths: Paths): Draft | null {
  const question = pathsQuery(filterOf(view), paths);
  if (!question) return null;
  const way = { none: "Paths", start: `Paths from ${paths.at}`, end: `Paths to ${paths.at}` };
  return {
    page: "paths",
    params: textOf({ ...pathsParams(paths), ...filterParams(view.filters), ...botsParams(view.bots) }),
    question: { ...question },
    title: way[paths.anchor],
  };
}

function isReportPage(page: unknown): page is ReportPage {
  return typeof page === "string" && Object.hasOwn(REPORT_PAGES, page);
}

/** What a report says of how it is shown; null where it was not saved by a page of this dashboard. */
export function shownBy({ view }: SavedReport): { page: ReportPage; params: URLSearchParams } | null {
  const { page, params } = view;
  if (!isReportPage(page) || typeof params !== "string") return null;
  return { page, params: new URLSearchParams(params) };
}

/** The address at which a page shows the report; null where none does. */
export function reportHref(report: SavedReport): string | null {
  const shown = shownBy(report);
  const range = rangeFrom(report.range);
  if (!shown || !range) return null;
  const params = new URLSearchParams();
  params.set("site", report.site_id ?? "*");
  for (const [name, value] of Object.entries(rangeParams(range)))
    if (typeof value === "string") params.set(name, value);
  params.set("tz", report.timezone);
  params.set("week", "monday");
  for (const [name, value] of shown.params)
    if (name === "week") params.set(name, value);
    else params.append(name, value);
  params.set("report", report.id);
  return `${REPORT_PAGES[shown.page]}?${params.toString()}`;
}

/** Whether the page shows something else than the report keeps. */
export function differs(
  report: SavedReport,
  draft: Draft,
  { range, zone }: Pick<View, "range" | "zone">,
): boolean {
  return (
    report.view["page"] !== draft.page ||
    report.view["params"] !== draft.params ||
    report.range !== rangeText(range) ||
    report.timezone !== zone
  );
}

const KINDS: Record<string, string> = {
  metrics: "Metrics",
  sessions: "Sessions",
  events: "Events",
  funnel: "Funnel",
  funnel_users: "Users of a funnel",
  retention: "Retention",
  lifecycle: "Lifecycle",
  stickiness: "Stickiness",
  active_users: "Active users",
  paths: "Paths",
  people: "Users",
};

const SHAPE_NAMES = { line: "Lines", bar: "Bars", area: "Areas", table: "Table", number: "Numbers" };

/** What the report shows, in a word. */
export function kindName(report: SavedReport): string {
  const shown = shownBy(report);
  if (shown?.page === "explore") return SHAPE_NAMES[readExploration(shown.params).shape];
  const { kind } = report.question;
  return KINDS[kind] ?? kind;
}
