import { expect, it } from "vitest";
import { axisOf } from "./ticks";

it("counts seconds in minutes and hours", () => {
  expect(axisOf("seconds", [200], 100).ticks).toEqual([0, 60, 120, 180, 240]);
  expect(axisOf("seconds", [9_000], 100).ticks).toEqual([0, 3600, 7200, 10_800]);
  expect(axisOf("seconds", [400_000], 100).ticks).toEqual([0, 172_800, 345_600, 518_400]);
});

it("reaches above the largest value, and below 0 where there is something", () => {
  const { y, ticks } = axisOf("number", [-3, 970], 100);
  expect(ticks[0]).toBeLessThanOrEqual(0);
  expect(y.domain()[0]).toBeLessThanOrEqual(-3);
  expect(y.domain()[1]).toBeGreaterThanOrEqual(970);
});

it("has a height even when nothing happened", () => {
  expect(axisOf("seconds", [0], 100).y(0)).toBe(100);
  expect(axisOf("number", [], 100).y(0)).toBe(100);
  expect(axisOf("number", [0, 0], 100).ticks).toEqual([0]);
});
