import { expect, test } from "vitest";
import { daysText, goes, goingText, keepingSites, rollupsOf, ruleOf } from "./retention";

test("days in words", () => {
  expect([null, 1, 90, 0.5].map(daysText)).toEqual(["for ever", "1 day", "90 days", "0.5 days"]);
});

test("what a form says", () => {
  expect(ruleOf("default", "", "stay")).toBe("default");
  expect(ruleOf("ever", "7", "default")).toEqual({ days: null, keep_rollups: null });
  expect(ruleOf("days", "7", "stay")).toEqual({ days: 7, keep_rollups: true });
  expect(ruleOf("days", "7", "go")).toEqual({ days: 7, keep_rollups: false });
  for (const text of ["", "0", "-1", "1.5", "x", "36501"]) expect(ruleOf("days", text, "stay")).toBeNull();
  expect([true, false, null, undefined].map(rollupsOf)).toEqual(["stay", "go", "default", "default"]);
});

test("whose rollups stay", () => {
  const rules = {
    default_days: 30,
    default_keep_rollups: true,
    rollups_can_stay: true,
    rules: [
      { site_id: "a", days: 3, keep_rollups: false },
      { site_id: "b", days: null, keep_rollups: null },
    ],
  };
  expect(["a", "b", "c"].map(keepingSites(rules))).toEqual([false, true, true]);
  const none = keepingSites({ ...rules, default_keep_rollups: false });
  expect(["a", "b", "c"].map(none)).toEqual([false, false, false]);
});

test("what a change removes", () => {
  const change = {
    dry_run: true,
    site_id: "a",
    days: 3,
    kept_from: "2026-11-01T00:00:00Z",
    events: 0,
    keep_rollups: false,
    kept_events: 0,
  };
  expect([goes(change), goingText(change)]).toEqual([false, "No event is older."]);
  const older = { ...change, events: 1200 };
  expect(goes(older)).toBe(true);
  expect(goingText(older)).toBe(
    "1,200 events that are older are removed for good, with every number that they stand in.",
  );
  expect(goingText({ ...older, keep_rollups: true })).toBe(
    "1,200 events that are older are removed for good; their rollups stay.",
  );
  const kept = { ...change, kept_events: 7 };
  expect([goes(kept), goingText(kept)]).toEqual([
    true,
    "Rollups that stayed of 7 removed events go too, for good.",
  ]);
});
