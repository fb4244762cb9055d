import { describe, expect, it } from "vitest";
import { type Funnel, readFunnel } from "../../analyses/funnel/state";
import { type Exploration, readExploration } from "../../analyses/metrics/state";
import { type Paths, readPaths } from "../../analyses/paths/state";
import { type RetentionState, readRetention } from "../../analyses/retention/state";
import type { SavedReport } from "../../api/library";
import { ANY } from "../../components/events/tests";
import {
  type Asking,
  differs,
  type Draft,
  exploreDraft,
  funnelDraft,
  pathsDraft,
  reportHref,
  retentionDraft,
} from "./draft";
import { fromText } from "../../scope/filters";
import { readRange } from "../../scope/scope";

const VIEW: Asking = {
  filters: [
    { field: "properties.a;b:c%", op: "=", value: "x & y=z" },
    { field: "path", op: "not_set", value: "" },
  ],
  bots: false,
  interval: "week",
  compare: true,
  range: { preset: "12m" },
  weekStart: "monday" as const,
};
const ZONE = "Europe/Berlin";
const DAYS = { ...VIEW, range: { from: "2026-11-01", to: "2026-11-21" }, compare: false };

function reportOf(draft: Draft, range: string, site: string | null = "shop"): SavedReport {
  return {
    id: "gxr6mk5ribd9",
    name: "n",
    description: "",
    site_id: site,
    question: draft.question,
    range,
    timezone: ZONE,
    view: { page: draft.page, params: draft.params },
    created_at: "",
    updated_at: "",
  };
}

/** What a page reads in the address of a report. */
function addressOf(report: SavedReport): { path: string; params: URLSearchParams } {
  const [path = "", search = ""] = (reportHref(report) ?? "").split("?");
  return { path, params: new URLSearchParams(search) };
}

const test = { name: "pur;chase", filters: [{ field: "properties.plan", op: "=" as const, value: "a:b;c" }] };
const EXPLORATIONS: Exploration[] = [
  {
    measures: [
      { metric: { kind: "users" }, of: test },
      { metric: { kind: "sum", property: "amount" }, of: ANY },
    ],
    formula: "B / A",
    shown: 0,
    by: "properties.country",
    top: "10",
    shape: "number",
  },
  {
    measures: [{ metric: { kind: "events" }, of: ANY }],
    formula: "",
    shown: 0,
    by: "",
    top: "5",
    shape: "line",
  },
  {
    measures: [
      { metric: { kind: "events" }, of: test },
      { metric: { kind: "p95", property: "x:y" }, of: ANY },
    ],
    formula: "",
    shown: 1,
    by: "path",
    top: "20",
    shape: "table",
  },
];
const FUNNEL: Funnel = {
  steps: [test, ANY, { name: "end", filters: [] }],
  order: "strict",
  window: { number: 90, unit: "min" },
  by: "source",
  top: "3",
  listed: { step: 2, outcome: "dropped" },
};
const RETENTION: RetentionState = {
  tab: "retention",
  mode: "recurring",
  start: test,
  returning: ANY,
  every: "month",
  following: 12,
  shown: "number",
};
const PATHS: Paths[] = [
  { by: "event", anchor: "end", at: "a&b=c#d", steps: 3, merge: false, most: 12 },
  { by: "page", anchor: "none", at: "", steps: 5, merge: true, most: 6 },
];

describe("a report opens its page as it was", () => {
  it.each(EXPLORATIONS)("explore: $shape", (exploration) => {
    for (const view of [VIEW, DAYS]) {
      const draft = exploreDraft(view, exploration);
      const { path, params } = addressOf(reportOf(draft, view === VIEW ? "12mo" : "2026-11-01/2026-11-21"));
      expect(path).toBe("/ui/explore");
      expect(readExploration(params)).toEqual(exploration);
      expect(params.get("interval")).toBe("week");
      expect(params.get("compare")).toBe(view.compare ? null : "0");
      expect(params.getAll("filter").map(fromText)).toEqual(VIEW.filters);
      expect(readRange(params)).toEqual(view.range);
      expect([params.get("site"), params.get("tz"), params.get("report")]).toEqual([
        "shop",
        ZONE,
        "gxr6mk5ribd9",
      ]);
    }
  });

  it("funnels, without the list of users that was open", () => {
    const draft = funnelDraft(VIEW, { ...FUNNEL, steps: null }, FUNNEL.steps);
    const { path, params } = addressOf(reportOf(draft as Draft, "12mo", null));
    expect(path).toBe("/ui/funnels");
    expect(readFunnel(params)).toEqual({ ...FUNNEL, listed: null });
    expect(params.getAll("filter").map(fromText)).toEqual(VIEW.filters);
    expect(params.get("site")).toBe("*");
  });

  it.each(["retention", "lifecycle", "stickiness", "active"] as const)("retention: %s", (tab) => {
    const draft = retentionDraft(VIEW, { ...RETENTION, tab });
    const { path, params } = addressOf(reportOf(draft, "7d"));
    expect(path).toBe("/ui/retention");
    expect(readRetention(params, null)).toEqual({ ...RETENTION, tab });
  });

  it.each(PATHS)("paths: $anchor", (paths) => {
    const { path, params } = addressOf(reportOf(pathsDraft(VIEW, paths) as Draft, "7d"));
    expect(path).toBe("/ui/paths");
    expect(readPaths(params)).toEqual(paths);
  });

  it("and is not changed by that", () => {
    const shown = { range: VIEW.range, zone: ZONE };
    const draft = exploreDraft(VIEW, EXPLORATIONS[0] as Exploration);
    const report = reportOf(draft, "12mo");
    expect(differs(report, draft, shown)).toBe(false);
    expect(differs(report, draft, { ...shown, zone: "UTC" })).toBe(true);
    expect(differs(report, draft, { ...shown, range: { preset: "7d" } })).toBe(true);
    const other = exploreDraft({ ...VIEW, filters: [] }, EXPLORATIONS[0] as Exploration);
    expect(differs(report, other, shown)).toBe(true);
  });
});

describe("the query", () => {
  const whole = EXPLORATIONS[1] as Exploration;

  it("has neither range nor site nor time zone, and compares with the period before", () => {
    expect(exploreDraft({ ...VIEW, filters: [] }, whole).question).toEqual({
      kind: "metrics",
      metrics: [{ kind: "events", name: "A" }],
      interval: "week",
      compare: "previous",
    });
  });

  it("compares with nothing over all time, and groups only in their totals", () => {
    const all = exploreDraft({ ...VIEW, range: { preset: "all" } }, whole).question;
    const groups = exploreDraft(VIEW, { ...whole, by: "path" }).question;
    const totals = exploreDraft(VIEW, { ...whole, by: "path", shape: "number" }).question;
    expect(all).not.toHaveProperty("compare");
    expect(groups).not.toHaveProperty("compare");
    expect(totals).toHaveProperty("compare", "previous");
    expect(groups).toHaveProperty("interval", "week");
    expect(totals).not.toHaveProperty("interval");
  });

  it("is null while a page has no complete query", () => {
    expect(funnelDraft(VIEW, FUNNEL, null)).toBeNull();
    expect(funnelDraft(VIEW, FUNNEL, [ANY])).toBeNull();
    expect(pathsDraft(VIEW, { ...(PATHS[1] as Paths), anchor: "start" })).toBeNull();
  });
});

it("has no page for what was saved without the dashboard", () => {
  const draft = exploreDraft(VIEW, EXPLORATIONS[1] as Exploration);
  const report = reportOf(draft, "7d");
  for (const view of [{}, { page: "constructor", params: "" }, { page: "explore", params: 1 }, { page: 1 }])
    expect(reportHref({ ...report, view })).toBeNull();
});
