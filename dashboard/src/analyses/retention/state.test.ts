import { expect, it } from "vitest";
import { retentionParams, readRetention, usualPeriod } from "./state";
import { DAY } from "../../scope/range";

const span = (days: number) => ({ since: 0, until: days * DAY });

it("reads what it writes", () => {
  const retention = {
    tab: "lifecycle" as const,
    mode: "recurring" as const,
    start: { name: "signup", filters: [] },
    returning: { name: "", filters: [{ field: "path", op: "=" as const, value: "/" }] },
    every: "month" as const,
    following: 12,
    shown: "number" as const,
  };
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(retentionParams(retention))) params.append(name, String(value));
  expect(readRetention(params, span(30))).toEqual(retention);
});

it("begins with periods that fit the range", () => {
  expect([7, 30, 365].map((days) => usualPeriod(span(days)))).toEqual(["day", "week", "month"]);
  expect(usualPeriod(null)).toBe("month");
  expect(readRetention(new URLSearchParams("following=12"), span(7))).toMatchObject({
    every: "day",
    following: 7,
  });
  expect(readRetention(new URLSearchParams("tab=stickiness"), span(365)).every).toBe("day");
});

it("forgets how many periods follow when their length changes", () => {
  expect(retentionParams({ every: "week" })).toEqual({ every: "week", following: null });
});
