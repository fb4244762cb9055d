import { describe, expect, it } from "vitest";
import { defaultInterval, intervalsFor, nextHour, type Range, resolve } from "./range";

const at = (text: string) => Date.parse(text);
const shown = (range: Range, zone: string, now: string) => {
  const { span, previous } = resolve(range, zone, at(now));
  const text = (one: typeof span) => one && [one.since, one.until].map((ms) => new Date(ms).toISOString());
  return { span: text(span), previous: text(previous) };
};

describe("resolve", () => {
  it("ends with the current hour, and compares with the same part of the period before", () => {
    expect(shown({ preset: "7d" }, "Europe/Berlin", "2026-11-21T09:42:00Z")).toEqual({
      span: ["2026-11-14T23:00:00.000Z", "2026-11-21T10:00:00.000Z"],
      previous: ["2026-11-07T23:00:00.000Z", "2026-11-14T10:00:00.000Z"],
    });
  });

  it("shifts by days of the calendar across a change of the clocks", () => {
    // 25 October 2026 has 25 hours in Berlin.
    expect(shown({ preset: "today" }, "Europe/Berlin", "2026-10-26T11:10:00Z")).toEqual({
      span: ["2026-10-25T23:00:00.000Z", "2026-10-26T12:00:00.000Z"],
      previous: ["2026-10-24T22:00:00.000Z", "2026-10-25T11:00:00.000Z"],
    });
  });

  it("takes whole days of a custom range", () => {
    expect(shown({ from: "2026-03-28", to: "2026-03-29" }, "Europe/Berlin", "2026-11-21T09:42:00Z")).toEqual({
      span: ["2026-03-27T23:00:00.000Z", "2026-03-29T22:00:00.000Z"],
      previous: ["2026-03-25T23:00:00.000Z", "2026-03-27T23:00:00.000Z"],
    });
  });

  it("cuts a month off at the end of a shorter one before", () => {
    const { previous } = shown({ preset: "month" }, "UTC", "2026-03-31T12:30:00Z");
    expect(previous).toEqual(["2026-02-01T00:00:00.000Z", "2026-02-28T13:00:00.000Z"]);
  });

  it("takes the whole of last month, and this year so far", () => {
    expect(shown({ preset: "last_month" }, "Europe/Berlin", "2026-04-10T09:42:00Z")).toEqual({
      span: ["2026-02-28T23:00:00.000Z", "2026-03-31T22:00:00.000Z"],
      previous: ["2026-01-31T23:00:00.000Z", "2026-02-28T23:00:00.000Z"],
    });
    expect(shown({ preset: "year" }, "UTC", "2026-03-31T12:30:00Z")).toEqual({
      span: ["2026-01-01T00:00:00.000Z", "2026-03-31T13:00:00.000Z"],
      previous: ["2025-01-01T00:00:00.000Z", "2025-03-31T13:00:00.000Z"],
    });
  });

  it("has nothing to compare all time with", () => {
    expect(resolve({ preset: "all" }, "UTC", 0)).toEqual({ span: null, previous: null });
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
