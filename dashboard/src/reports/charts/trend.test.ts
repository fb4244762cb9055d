import { describe, expect, it } from "vitest";
import type { SavedReport } from "../../api/library";
import type { Query } from "../../api/query";
import type { Metric, MetricsQuery, MetricsRow, SessionsQuery } from "../../api/types";
import { tileTrend, type TrendAnswer } from "./trend";

function report(question: Query, params?: string): SavedReport {
  return {
    id: "a",
    name: "n",
    description: "",
    site_id: null,
    question,
    range: "7d",
    timezone: "UTC",
    view: params === undefined ? {} : { page: "explore", params },
    created_at: "",
    updated_at: "",
  };
}

const REST = {
  since: "2026-11-18T00:00:00Z",
  until: "2026-11-21T10:00:00Z",
  next_cursor: null,
  previous: null,
  exact: true,
  from_rollup: false,
  events_from: null,
  elapsed_ms: 1,
  freshness: { loaded_at: null, queue_lag_seconds: null },
};

/** The trend of a report of `query`, shown by the explore page with `params`. */
function trendOf(query: MetricsQuery | SessionsQuery, rows: MetricsRow[], params?: string) {
  const answer: TrendAnswer =
    query.kind === "metrics"
      ? { ...REST, kind: query.kind, query, rows }
      : { ...REST, kind: query.kind, query, rows };
  return tileTrend(report(query, params), answer, "UTC");
}

const DAY = (day: number) => `2026-11-${day}T00:00:00+00:00`;
const A: Metric[] = [{ kind: "users", name: "A" }];

describe("a report's answer", () => {
  it("has a series for each group, the largest first, and zeros where nothing happened", () => {
    const question: MetricsQuery = {
      kind: "metrics",
      metrics: A,
      interval: "day",
      breakdown: ["path"],
      top: 2,
      other: true,
    };
    const rows = [
      { bucket: DAY(18), path: "/", A: 1 },
      { bucket: DAY(21), path: "/", A: 2 },
      { bucket: DAY(18), path: "/b", A: 7 },
      { bucket: DAY(20), path: null, A: 99, other: true },
    ];
    const trend = trendOf(question, rows, "by=path&metric=users&chart=area");
    expect(trend?.shape).toBe("area");
    expect(trend?.buckets).toHaveLength(4);
    expect(trend?.groups.map(({ label, values, total }) => [label, values, total])).toEqual([
      ["/b", [7, 0, 0, 0], null],
      ["/", [1, 0, 0, 2], null],
      ["All others", [0, 0, 99, 0], null],
    ]);
  });

  it("is called what the page calls it, or what the query says", () => {
    const question: MetricsQuery = { kind: "metrics", metrics: A };
    const row = [{ A: 5, previous: { A: 4 } }];
    const saved = trendOf(question, row, "metric=users&chart=number&of=buy");
    expect(saved).toMatchObject({
      shape: "number",
      groups: [{ label: "Users: buy", total: 5, totalBefore: 4 }],
    });
    expect(trendOf(question, row)?.groups[0]?.label).toBe("A");
    const plain: MetricsQuery = { kind: "metrics", metrics: [{ kind: "sum", property: "price" }] };
    const found = trendOf(plain, [{ "sum(price)": 2 }]);
    expect(found?.groups).toMatchObject([{ label: "Sum of price", total: 2 }]);
  });

  it("ignores the page's state where the query was changed since", () => {
    const question: MetricsQuery = { kind: "metrics", metrics: [{ kind: "events" }], interval: "day" };
    const rows = [{ bucket: DAY(18), events: 3 }];
    const trend = trendOf(question, rows, "chart=number");
    expect(trend).toMatchObject({ shape: "line", groups: [{ label: "Events", values: [3] }] });
  });

  it("counts sessions in their own units", () => {
    const rows = [{ bounce_rate: 0.5 }];
    const trend = trendOf({ kind: "sessions", metrics: ["bounce_rate"] }, rows);
    expect(trend).toMatchObject({ unit: "share", groups: [{ label: "Bounce rate", total: 0.5 }] });
    expect(trendOf({ kind: "sessions" }, [{}])?.columns).toHaveLength(4);
  });

  it("is a table where no chart says it all", () => {
    const question: MetricsQuery = {
      kind: "metrics",
      metrics: [...A, { kind: "events" }],
      breakdown: ["path"],
    };
    expect(trendOf(question, [{ path: "/", A: 1, events: 2 }])).toBeNull();
    const two: MetricsQuery = { kind: "metrics", breakdown: ["path", "name"] };
    expect(trendOf(two, [{ path: "/", name: "x", events: 2 }])).toBeNull();
  });
});
