import { expect, it } from "vitest";
import cases from "./range_cases.json";
import { PRESETS, rangeFrom, rangeText } from "./range";

it("is the API's text for every range of the picker, and back", () => {
  for (const { id } of PRESETS) expect(rangeFrom(rangeText({ preset: id }))).toEqual({ preset: id });
  expect(rangeText({ preset: "12m" })).toBe("12mo");
  const days = { from: "2026-11-01", to: "2026-11-21" };
  expect(rangeText(days)).toBe("2026-11-01/2026-11-21");
  expect(rangeFrom("2026-11-01/2026-11-21")).toEqual(days);
});

it("knows the ranges that the server is tested with", () => {
  const texts = new Set(cases.map(([text]) => text as string));
  for (const text of texts) {
    const range = rangeFrom(text);
    expect(range, text).not.toBeNull();
    if (range) expect(rangeText(range)).toBe(text);
  }
});

it.each(["", "12m", "2026-11-21/2026-11-01", "2026-02-30/2026-03-01", "a/b", "7d/7d/7d", "2026-01-01"])(
  "is none: %j",
  (text) => expect(rangeFrom(text)).toBeNull(),
);
