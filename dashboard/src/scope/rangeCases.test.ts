import { expect, it } from "vitest";
import cases from "./range_cases.json";
import { type PresetId, type Range, resolve } from "./range";

/** What the server makes of the same ranges is held to the same file: tests/unit/model/test_ranges.py. */
it.each(cases as [string, string, string, string | null, string | null][])(
  "%s in %s at %s",
  (text, zone, now, since, until) => {
    const [from = "", to] = text.split("/");
    const preset = (text === "12mo" ? "12m" : text) as PresetId;
    const range: Range = to === undefined ? { preset } : { from, to };
    const span = resolve(range, zone, Date.parse(now));
    const shown = (instant?: number) => (instant === undefined ? null : new Date(instant).toISOString());
    expect([shown(span?.since), shown(span?.until)]).toEqual([since, until]);
  },
);
