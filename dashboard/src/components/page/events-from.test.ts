import { expect, test } from "vitest";
import { eventsFrom, removedText } from "./EventsFrom";

const FIRST = "2026-11-01T00:00:00Z";
const SECOND = "2026-11-03T00:00:00+00:00";

test("the latest of what answers say", () => {
  const told = [undefined, { events_from: SECOND }, {}, { events_from: FIRST }, { events_from: null }];
  expect(eventsFrom(told)).toBe(SECOND);
  expect([eventsFrom([]), eventsFrom([undefined, {}, { events_from: null }])]).toEqual([null, null]);
});

test("as a sentence", () => {
  expect(removedText(FIRST)).toBe("events of before Sunday, 1 November 2026 were removed");
});
