import { describe, expect, it } from "vitest";
import { dayAt, daysBetween, instantOf, offsetAt, parseDay, plusMonths } from "./zone";

const iso = (instant: number) => new Date(instant).toISOString();

describe("instantOf", () => {
  it("finds a zone's midnight on both sides of a change", () => {
    expect(iso(instantOf({ year: 2026, month: 3, day: 29 }, 0, "Europe/Berlin"))).toBe(
      "2026-03-28T23:00:00.000Z",
    );
    expect(iso(instantOf({ year: 2026, month: 3, day: 30 }, 0, "Europe/Berlin"))).toBe(
      "2026-03-29T22:00:00.000Z",
    );
  });

  it("begins a day whose midnight is skipped right after it", () => {
    // In Beirut the clocks go from 00:00 to 01:00 on the last Sunday of March.
    expect(iso(instantOf({ year: 2026, month: 3, day: 29 }, 0, "Asia/Beirut"))).toBe(
      "2026-03-28T22:00:00.000Z",
    );
  });
});

it("knows offsets with minutes", () => {
  expect(offsetAt(0, "Asia/Kathmandu")).toBe(5.5 * 3_600_000);
  expect(dayAt(Date.parse("2026-11-21T23:30:00Z"), "Asia/Tokyo")).toEqual({ year: 2026, month: 11, day: 22 });
});

it("counts days and months of the calendar", () => {
  expect(plusMonths({ year: 2026, month: 1, day: 31 }, 1)).toEqual({ year: 2026, month: 2, day: 28 });
  expect(plusMonths({ year: 2026, month: 1, day: 31 }, -2)).toEqual({ year: 2025, month: 11, day: 30 });
  expect(daysBetween({ year: 2026, month: 2, day: 27 }, { year: 2026, month: 3, day: 2 })).toBe(3);
});

it("reads days, and refuses what is none", () => {
  expect(parseDay("2026-02-28")).toEqual({ year: 2026, month: 2, day: 28 });
  for (const text of ["2026-02-30", "2026-2-3", "", "0000-01-01", "2026-02-03x"])
    expect(parseDay(text)).toBeNull();
});
