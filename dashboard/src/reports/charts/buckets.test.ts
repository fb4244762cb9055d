import { expect, it } from "vitest";
import { bucketOf, bucketsFrom } from "./buckets";

const at = (text: string) => Date.parse(text);
const texts = (buckets: number[]) => buckets.map((one) => new Date(one).toISOString());

it("walks through days of 23 and 25 hours", () => {
  const days = bucketsFrom(at("2026-10-24T22:00:00Z"), at("2026-10-27T00:00:00Z"), "day", "Europe/Berlin");
  expect(texts(days)).toEqual([
    "2026-10-24T22:00:00.000Z",
    "2026-10-25T23:00:00.000Z",
    "2026-10-26T23:00:00.000Z",
  ]);
});

it("begins weeks on Monday, months on their first", () => {
  const sunday = at("2026-11-22T12:00:00Z");
  expect(
    texts([bucketOf(sunday, "week", "Europe/Berlin"), bucketOf(sunday, "month", "Europe/Berlin")]),
  ).toEqual(["2026-11-15T23:00:00.000Z", "2026-10-31T23:00:00.000Z"]);
  expect(
    texts(bucketsFrom(at("2026-01-31T23:00:00Z"), at("2026-04-01T00:00:00Z"), "month", "Europe/Berlin")),
  ).toEqual(["2026-01-31T23:00:00.000Z", "2026-02-28T23:00:00.000Z", "2026-03-31T22:00:00.000Z"]);
});

it("has the full hours of the zone's clock", () => {
  expect(texts([bucketOf(at("2026-11-21T09:42:00Z"), "hour", "Asia/Kolkata")])).toEqual([
    "2026-11-21T09:30:00.000Z",
  ]);
  expect(bucketsFrom(0, 3_600_000, "minute", "UTC")).toHaveLength(60);
});
