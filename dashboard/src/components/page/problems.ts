import type { Params } from "../../scope/address";
import { fromText, isField } from "../../scope/filters";
import { PRESETS } from "../../scope/range";
import { isZone, parseDay } from "../../scope/zone";
import { brokenFilters, testFrom, testText } from "../events/tests";

/** Parts of an address that cannot be read. Numbers without them would not be what the address asks for. */
export interface Problem {
  /** A sentence for the reader. */
  says: string;
  /** What takes the part out of the address. */
  remedy: Params;
}

/** Which parameters of a page are tests of events, with filters of their own. */
const TESTS: Record<string, readonly string[]> = {
  "/ui/explore": ["of"],
  "/ui/funnels": ["step"],
  "/ui/retention": ["start", "returning"],
};
const BROKEN_DOWN = ["/ui/explore", "/ui/funnels"];

/** What cannot be read in the address of a page that shows numbers. */
export function problemsOf(path: string, params: URLSearchParams): Problem[] {
  return [
    ...filterProblems(params),
    ...rangeProblems(params),
    ...testProblems(params, TESTS[path] ?? []),
    ...(BROKEN_DOWN.includes(path) ? breakdownProblems(params) : []),
  ];
}

function filterProblems(params: URLSearchParams): Problem[] {
  const filters = params.getAll("filter");
  const broken = filters.filter((text) => fromText(text) === null);
  const remedy = { filter: filters.filter((text) => !broken.includes(text)) };
  return broken.map((text) => ({ says: filterSentence(text), remedy }));
}

function filterSentence(text: string): string {
  return `The filter “${text}” is not understood: it needs a field, an operator and a value, such as path:=:/pricing.`;
}

function rangeProblems(params: URLSearchParams): Problem[] {
  const found: Problem[] = [];
  const range = params.get("range");
  if (range !== null && !PRESETS.some(({ id }) => id === range))
    found.push({ says: `There is no time range “${range}”.`, remedy: { range: null } });
  const days = [params.get("from"), params.get("to")];
  const remedy = { from: null, to: null };
  for (const day of days)
    if (day !== null && parseDay(day) === null) found.push({ says: `“${day}” is not a day.`, remedy });
  if (days.filter((day) => day === null).length === 1)
    found.push({ says: "A range of days needs its first and its last day.", remedy });
  const zone = params.get("tz");
  if (zone !== null && !isZone(zone))
    found.push({ says: `There is no time zone “${zone}”.`, remedy: { tz: null } });
  return found;
}

function testProblems(params: URLSearchParams, names: readonly string[]): Problem[] {
  return names.flatMap((name) => {
    const texts = params.getAll(name);
    const readable = texts.map((text) => testText(testFrom(text)));
    return texts
      .flatMap(brokenFilters)
      .map((text) => ({ says: filterSentence(text), remedy: { [name]: readable } }));
  });
}

function breakdownProblems(params: URLSearchParams): Problem[] {
  const by = params.get("by") ?? "";
  return by === "" || isField(by)
    ? []
    : [{ says: `Events have no field “${by}” to break down by.`, remedy: { by: null } }];
}
