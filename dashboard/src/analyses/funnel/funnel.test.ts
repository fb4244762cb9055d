import { expect, it } from "vitest";
import { funnelGroups, shareText, wholeFunnel } from "./funnel";
import type { FunnelRow } from "../../api/types";

function row(step: number, users: number, first: number, before: number, more: object = {}): FunnelRow {
  return {
    step,
    name: "x",
    users,
    from_first: first ? users / first : null,
    from_previous: before ? users / before : null,
    median_seconds: step > 1 ? 5 : null,
    p90_seconds: step > 1 ? 9 : null,
    ...more,
  };
}

it("reads a funnel without groups", () => {
  const groups = funnelGroups([row(1, 10, 10, 10), row(2, 4, 10, 10)], undefined);
  expect(groups.map(({ id, label }) => [id, label])).toEqual([["none", "Everybody"]]);
  expect(groups[0]?.steps.map(({ users, dropped }) => [users, dropped])).toEqual([
    [10, 0],
    [4, 6],
  ]);
  expect(wholeFunnel(groups)[1]).toMatchObject({ median: 5, p90: 9 });
});

it("keeps nothing, the empty text and the rest apart, and adds them up", () => {
  const groups = funnelGroups(
    [
      row(1, 8, 8, 8, { plan: "" }),
      row(2, 4, 8, 8, { plan: "" }),
      row(1, 2, 2, 2, { plan: null }),
      row(2, 0, 2, 2, { plan: null }),
      row(1, 0, 0, 0, { plan: null, other: true }),
      row(2, 0, 0, 0, { plan: null, other: true }),
    ],
    "plan",
  );
  expect(groups.map(({ label, rest }) => [label, rest])).toEqual([
    ["(empty)", false],
    ["(none)", false],
    ["All others", true],
  ]);
  expect(wholeFunnel(groups)).toEqual([
    { users: 10, dropped: 0, fromFirst: 1, fromPrevious: 1, median: null, p90: null },
    { users: 4, dropped: 6, fromFirst: 0.4, fromPrevious: 0.4, median: null, p90: null },
  ]);
  expect(wholeFunnel([])).toEqual([]);
});

it("writes shares with one decimal, and never rounds to 0 % or 100 %", () => {
  expect([null, 0, 0.0001, 0.13, 0.9999, 1].map(shareText)).toEqual([
    "–",
    "0%",
    "<0.1%",
    "13.0%",
    ">99.9%",
    "100%",
  ]);
});
