import { describe, expect, it } from "vitest";
import { ago, bytes, change, duration, exactIn, minutes, percent, share, short, shortIn } from "./number";

it.each([
  [0, "0"],
  [999, "999"],
  [1_000, "1k"],
  [12_345, "12.3k"],
  [123_456, "123k"],
  [999_400, "999k"],
  [999_950, "1M"],
  [4_560_000, "4.56M"],
  [-12_345, "-12.3k"],
  [7.666, "7.67"],
  [99.96, "100"],
  [1e15, "1000T"],
])("short(%d) is %s", (value, text) => {
  expect(short(value)).toBe(text);
});

describe("change", () => {
  it("has a sign, and few digits", () => {
    expect(change(134, 100)).toEqual({ text: "+34%", direction: "up" });
    expect(change(99, 100)).toEqual({ text: "−1.0%", direction: "down" });
    expect(change(100, 100)).toEqual({ text: "0%", direction: "same" });
    expect(change(5_000, 1)).toEqual({ text: "+500k%", direction: "up" });
  });

  it("is none without something to compare with", () => {
    expect(change(5, 0)).toBeNull();
    expect(change(5, null)).toBeNull();
    expect(change(null, 5)).toBeNull();
  });
});

it("names parts, sizes and times", () => {
  expect([percent(1, 3), percent(1, 2_000), percent(0, 0)]).toEqual(["33%", "<0.1%", "–"]);
  expect([bytes(999), bytes(12_345), bytes(4_560_000), bytes(2e9)]).toEqual([
    "999 B",
    "12.3 kB",
    "4.56 MB",
    "2 GB",
  ]);
  expect([duration(0.44), duration(42), duration(600), duration(7_200), duration(200_000)]).toEqual([
    "0.4 s",
    "42 s",
    "10 min",
    "2 h",
    "2 d",
  ]);
  expect([ago(0.4), ago(3.9), ago(75)]).toEqual(["just now", "3 s ago", "75 s ago"]);
});

describe("units", () => {
  it.each([
    [0, "0s"],
    [59.4, "59s"],
    [59.6, "1m 00s"],
    [125, "2m 05s"],
    [3725, "1h 02m"],
  ])("a visit of %d seconds is %s", (seconds, text) => expect(minutes(seconds)).toBe(text));

  it.each([
    [0.456, "45.6%"],
    [1, "100%"],
    [0, "0%"],
  ])("a share of %d is %s", (part, text) => expect(share(part)).toBe(text));

  it("gives the exact number in its unit", () => {
    expect(exactIn("share", 0.45678)).toBe("45.68%");
    expect(exactIn("seconds", 125.25)).toBe("125.25 seconds");
    expect(shortIn("number", 12_345)).toBe("12.3k");
  });
});
