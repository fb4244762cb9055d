import { describe, expect, it } from "vitest";
import { readFunnel } from "../analyses/funnel/state";
import { explorationParams, readExploration } from "../analyses/metrics/state";
import { pathsParams, readPaths } from "../analyses/paths/state";
import { type Test, testText } from "../components/events/tests";
import { address } from "../scope/address";
import { type Filter, fromText, toText } from "../scope/filters";
import { listingParams, readListing } from "../pages/users/state";

/** Texts that an address changes where it is decoded twice, or not encoded. */
const TEXTS = [
  "/caf%C3%A9",
  "/café",
  "/a%2Fb",
  "u%41x",
  "100%",
  "%",
  "%25",
  "%2525",
  "a+b c",
  "#top",
  "/a?b=c&d=e",
  "a;b:c=d",
  "%3A%3B%253B",
  "👩‍👩‍👧 日本語",
  "SELECT * FROM events WHERE path LIKE '%caf%' AND name <> '%41'",
  "line\nbreak\ttab",
  '"quoted" \\ back',
];

/** Texts made of the signs that mean something in an address, the same ones in every run. */
function* madeTexts(count: number): Generator<string> {
  const signs = [
    "%",
    "2",
    "5",
    "C",
    "3",
    "A",
    "B",
    "9",
    "+",
    " ",
    "&",
    "=",
    "#",
    "?",
    "/",
    ":",
    ";",
    "é",
    "😀",
  ];
  let seed = 20_261_128;
  const next = (most: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((seed / 2_147_483_648) * most);
  };
  for (let made = 0; made < count; made += 1)
    yield Array.from({ length: 1 + next(12) }, () => signs[next(signs.length)]).join("");
}

const ALL = [...TEXTS, ...madeTexts(500)];

/** What a page reads from the address that the browser shows after `change`. */
function read(change: Parameters<typeof address>[2]): URLSearchParams {
  return new URLSearchParams(new URL(address("/ui/x", new URLSearchParams(), change), "http://host").search);
}

describe("any text in the address comes back as it was", () => {
  it("in a parameter, after any number of steps", () => {
    for (const text of ALL) {
      let params = read({ sql: text });
      for (let step = 0; step < 3; step += 1)
        params = new URLSearchParams(
          new URL(address("/", params, { step: String(step) }), "http://host").search,
        );
      expect(params.get("sql")).toBe(text);
    }
  });

  it("in filters", () => {
    for (const text of ALL) {
      const filters: Filter[] = [
        { field: "path", op: "=", value: text },
        { field: `properties.${text}`, op: "contains", value: text },
      ];
      expect(
        read({ filter: filters.map(toText) })
          .getAll("filter")
          .map(fromText),
      ).toEqual(filters);
    }
  });

  it("in steps, series, paths and the search of users", () => {
    for (const text of ALL) {
      const test: Test = { name: text, filters: [{ field: `properties.${text}`, op: "=", value: text }] };
      expect(readFunnel(read({ step: [testText(test), testText(test)] })).steps).toEqual([test, test]);
      const exploration = { ...readExploration(new URLSearchParams()), by: `properties.${text}` };
      exploration.measures = [{ metric: { kind: "sum", property: text }, of: test }];
      expect(readExploration(read(explorationParams(exploration)))).toEqual(exploration);
      const paths = { ...readPaths(new URLSearchParams()), anchor: "start" as const, at: text };
      expect(readPaths(read(pathsParams(paths)))).toEqual(paths);
      expect(
        readListing(read(listingParams({ order: "events", ascending: true, search: text }))).search,
      ).toBe(text);
    }
  });
});
