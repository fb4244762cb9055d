import type { Shown } from "./RetentionView";
import type { PeriodLength } from "../../api/query";
import { ANY, type Test, testFrom, testText } from "../../components/events/tests";
import { DAY, type Span } from "../../scope/range";
import type { Params } from "../../scope/scope";

/** The retention page's part of the address. */

export const TABS = ["retention", "lifecycle", "stickiness", "active"] as const;
export type Tab = (typeof TABS)[number];
export const MODES = ["first_time", "recurring"] as const;
export const PERIODS: readonly PeriodLength[] = ["day", "week", "month"];

/** How many following periods there are to choose from. */
export const FOLLOWING: Record<PeriodLength, readonly number[]> = {
  day: [7, 14, 30],
  week: [4, 8, 12, 26],
  month: [3, 6, 12],
};

export interface RetentionState {
  tab: Tab;
  mode: (typeof MODES)[number];
  start: Test;
  returning: Test;
  every: PeriodLength;
  following: number;
  shown: Shown;
}

/** Short enough for some periods in the range, and long enough not to have dozens. */
export function usualPeriod(span: Span | null): PeriodLength {
  const length = span ? span.until - span.since : Infinity;
  return length <= 21 * DAY ? "day" : length <= 200 * DAY ? "week" : "month";
}

export function usualFollowing(every: PeriodLength): number {
  return { day: 7, week: 8, month: 6 }[every];
}

export function readRetention(params: URLSearchParams, span: Span | null): RetentionState {
  const tab = TABS.find((one) => one === params.get("tab")) ?? "retention";
  const usual = tab === "stickiness" ? "day" : usualPeriod(span);
  const every = PERIODS.find((one) => one === params.get("every")) ?? usual;
  const following = Number(params.get("following"));
  return {
    tab,
    mode: MODES.find((one) => one === params.get("mode")) ?? "first_time",
    start: testFrom(params.get("start") ?? ""),
    returning: testFrom(params.get("returning") ?? ""),
    every,
    following: FOLLOWING[every].includes(following) ? following : usualFollowing(every),
    shown: params.get("shown") === "number" ? "number" : "share",
  };
}

/** Its part of the address; what is as usual is left out. */
export function retentionParams(change: Partial<RetentionState>): Params {
  const params: Params = {};
  const test = (one: Test) => (testText(one) === testText(ANY) ? null : testText(one));
  if (change.tab) params["tab"] = change.tab === "retention" ? null : change.tab;
  if (change.mode) params["mode"] = change.mode === "first_time" ? null : change.mode;
  if (change.start) params["start"] = test(change.start);
  if (change.returning) params["returning"] = test(change.returning);
  if (change.every) {
    params["every"] = change.every;
    params["following"] = null;
  }
  if (change.following !== undefined) params["following"] = String(change.following);
  if (change.shown) params["shown"] = change.shown === "share" ? null : change.shown;
  return params;
}
