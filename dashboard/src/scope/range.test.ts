import { describe, expect, it } from "vitest";
import { defaultInterval, intervalsFor, nextHour, type Range, resolve, type WeekStart } from "./range";

const at = (text: string) => Date.parse(text);
const shown = (range: Range, zone: string, now: string, weekStart?: WeekStart) => {
  const span = resolve(range, zone, at(now), weekStart);
  return span && [span.since, span.until].map((ms) => new Date(ms).toISOString());
};

describe("resolve", () => {
  it("ends with the current hour", () => {
    expect(shown({ preset: "7d" }, "Europe/Berlin", "2026-11-21T09:42:00Z")).toEqual([
      "2026-11-14T23:00:00.000Z",
      "2026-11-21T10:00:00.000Z",
    ]);
  });

  it("takes whole days of a custom range, over a change of the clocks", () => {
    const range = { from: "2026-03-28", to: "2026-03-29" };
    expect(shown(range, "Europe/Berlin", "2026-11-21T09:42:00Z")).toEqual([
      "2026-03-27T23:00:00.000Z",
      "2026-03-29T22:00:00.000Z",
    ]);
  });

  it("begins weeks where the reader's week begins", () => {
    // The 21st is a Saturday.
    expect(shown({ preset: "week" }, "UTC", "2026-11-21T09:42:00Z")?.[0]).toBe("2026-11-16T00:00:00.000Z");
    expect(shown({ preset: "week" }, "UTC", "2026-11-21T09:42:00Z", "sunday")?.[0]).toBe(
      "2026-11-15T00:00:00.000Z",
    );
    expect(shown({ preset: "last_week" }, "UTC", "2026-11-21T09:42:00Z", "sunday")).toEqual([
      "2026-11-08T00:00:00.000Z",
      "2026-11-15T00:00:00.000Z",
    ]);
  });

  it("takes the whole of last month, and this year so far", () => {
    expect(shown({ preset: "last_month" }, "Europe/Berlin", "2026-04-10T09:42:00Z")).toEqual([
      "2026-02-28T23:00:00.000Z",
      "2026-03-31T22:00:00.000Z",
    ]);
    expect(shown({ preset: "year" }, "UTC", "2026-03-31T12:30:00Z")).toEqual([
      "2026-01-01T00:00:00.000Z",
      "2026-03-31T13:00:00.000Z",
    ]);
  });

  it("has no instants for all time", () => {
    expect(resolve({ preset: "all" }, "UTC", 0)).toBeNull();
  });
});

it("ends an hour where the zone's clock does", () => {
  expect(new Date(nextHour(at("2026-11-21T09:42:00Z"), "Asia/Kolkata")).toISOString()).toBe(
    "2026-11-21T10:30:00.000Z",
  );
});

it("offers intervals with a sensible number of buckets", () => {
  const days = (count: number) => ({ since: 0, until: count * 86_400_000 });
  expect(intervalsFor(days(1))).toEqual(["hour"]);
  expect(defaultInterval(days(1))).toBe("hour");
  expect(intervalsFor(days(30))).toEqual(["hour", "day", "week"]);
  expect(defaultInterval(days(30))).toBe("day");
  expect(defaultInterval(days(365))).toBe("week");
  expect(defaultInterval(null)).toBe("month");
});
