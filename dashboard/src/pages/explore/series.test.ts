import { expect, it } from "vitest";
import { groupSeries } from "./series";

const metric = { kind: "events" } as const;

it("fills the buckets in which a group has no row, and keeps nothing, the empty text and the rest apart", () => {
  const totals = [
    { path: "/", events: 5 },
    { path: "", events: 2 },
    { path: null, events: 1 },
    { path: null, events: 9, other: true },
  ];
  const rows = [
    { bucket: "b1", path: "/", events: 5 },
    { bucket: "b2", path: null, events: 1 },
    { bucket: "b2", path: null, events: 9, other: true },
    { bucket: "elsewhere", path: "/", events: 7 },
  ];
  const groups = groupSeries(["b1", "b2"], rows, totals, "path", metric, 0);
  expect(groups.map(({ label, values, total }) => [label, values, total])).toEqual([
    ["/", [5, 0], 5],
    ["(empty)", [0, 0], 2],
    ["(none)", [0, 1], 1],
    ["All others", [0, 9], 9],
  ]);
});
