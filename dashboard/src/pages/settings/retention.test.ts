import { expect, test } from "vitest";
import { daysText, ruleOf } from "./retention";

test("days in words", () => {
  expect([null, 1, 90, 0.5].map(daysText)).toEqual(["for ever", "1 day", "90 days", "0.5 days"]);
});

test("what a form says", () => {
  expect(ruleOf("default", "")).toBe("default");
  expect(ruleOf("ever", "7")).toEqual({ days: null });
  expect(ruleOf("days", "7")).toEqual({ days: 7 });
  for (const text of ["", "0", "-1", "1.5", "x", "36501"]) expect(ruleOf("days", text)).toBeNull();
});
