import { expect, it } from "vitest";
import { pathColours, type PathGraph, pathGraph } from "./paths";
import type { PathRow } from "../../api/types";

function edge(step: number, source: string | null, target: string | null, sessions: number): PathRow {
  return { step, source, target, sessions };
}

function rest(step: number, sessions: number): PathRow {
  return { step, source: null, target: null, sessions, other: true };
}

function told({ columns, links }: PathGraph) {
  return {
    nodes: columns.map((nodes) =>
      nodes.map(({ name, sessions, ended }) => [name ?? "others", sessions, ended]),
    ),
    links: links.map(({ from, to, sessions }) => `${from} > ${to}: ${sessions}`).sort(),
  };
}

it("makes columns of the pages, with those who leave", () => {
  const rows = [edge(1, "/", "/a", 6), edge(1, "/", null, 3), edge(1, "/b", "/a", 1), edge(2, "/a", "/", 5)];
  rows.push(edge(2, "/a", null, 2));
  expect(told(pathGraph(rows, false, 5))).toEqual({
    nodes: [
      [
        ["/", 9, 3],
        ["/b", 1, 0],
      ],
      [["/a", 7, 2]],
      [["/", 5, 0]],
    ],
    links: ["0 / > 1 /a: 6", "0 /b > 1 /a: 1", "1 /a > 2 /: 5"],
  });
});

it("follows paths backwards from their end", () => {
  const rows = [edge(1, "/a", "/end", 4), edge(1, null, "/end", 1), edge(2, "/b", "/a", 3)];
  rows.push(edge(2, null, "/a", 1));
  expect(told(pathGraph(rows, true, 5))).toEqual({
    nodes: [[["/end", 5, 1]], [["/a", 4, 1]], [["/b", 3, 0]]],
    links: ["0 /end > 1 /a: 4", "1 /a > 2 /b: 3"],
  });
});

it("makes the smaller pages of a column one, unless it is one alone", () => {
  const rows = [edge(1, "/", "/a", 5), edge(1, "/", "/b", 2), edge(1, "/", "/c", 1), edge(2, "/c", null, 1)];
  expect(told(pathGraph(rows, false, 1)).nodes[1]).toEqual([
    ["/a", 5, 0],
    ["others", 3, 1],
  ]);
  expect(told(pathGraph(rows, false, 2)).nodes[1]).toHaveLength(3);
});

it("gives ways that are not told to the nodes that lack them", () => {
  const rows = [edge(1, "/", "/a", 6), edge(1, "/x", "/a", 1), rest(1, 4)];
  // Seven came to /a, of whom five are told to have gone on; three left /c, and none is told to have come to it.
  rows.push(edge(2, "/a", "/b", 5), edge(2, "/c", "/b", 3), rest(2, 3));
  const graph = told(pathGraph(rows, false, 5));
  expect(graph.links).toEqual([
    "0 / > 1 /a: 6",
    "0 /x > 1 /a: 1",
    "0 > 1 /c: 3",
    "0 > 1: 1",
    "1 /a > 2 /b: 5",
    "1 /a > 2: 2",
    "1 /c > 2 /b: 3",
    "1 > 2: 1",
  ]);
  expect(graph.nodes.map((nodes) => nodes.at(-1))).toEqual([
    ["others", 4, 0],
    ["others", 1, 0],
    ["others", 3, 0],
  ]);
});

it("gives all untold ways to the one page that all begin with", () => {
  const graph = pathGraph([edge(1, "/", "/a", 6), rest(1, 4)], false, 5);
  expect(told(graph).nodes[0]).toEqual([["/", 10, 0]]);
  expect(graph.total).toBe(10);
  expect(pathGraph([], false, 5)).toEqual({ columns: [], links: [], total: 0 });
});

it("gives the largest pages colours, the same in every column, and none twice", () => {
  const rows = Array.from({ length: 9 }, (_, index) => edge(1, `/${index}`, "/0", 20 - index));
  const colours = pathColours(pathGraph(rows, false, 12));
  expect([...colours.keys()]).toEqual(["/0", "/1", "/2", "/3", "/4", "/5"]);
  expect(new Set(colours.values()).size).toBe(6);
  expect([...colours.values()]).not.toContain("var(--series-5)");
});
