import { expect, it } from "vitest";
import { groupSeries, wholeSeries } from "./series";
import type { MetricsRow } from "../../api/types";

const column = { label: "events", name: "Events", additive: true, zero: 0 } as const;

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
  const groups = groupSeries(["b1", "b2"], rows, totals, "path", column);
  expect(groups.map(({ label, values, total }) => [label, values, total])).toEqual([
    ["/", [5, 0], 5],
    ["(empty)", [0, 0], 2],
    ["(none)", [0, 1], 1],
    ["All others", [0, 9], 9],
  ]);
});

it("puts the numbers of the period before beside those of the range", () => {
  // The API's rows have an object in `previous`, which the type of plain values cannot say.
  const rows = [
    { bucket: "b1", A: 5, B: null, previous: { bucket: "a1", A: 4, B: 2 } },
    { bucket: "b2", A: 6, B: 1, previous: { bucket: "a2", A: 3, B: null } },
  ] as unknown as MetricsRow[];
  const total = { A: 11, B: 1, previous: { A: 7, B: 2 } } as unknown as MetricsRow;
  const columns = ["A", "B"].map((label) => ({ ...column, label, name: `Series ${label}` }));
  const [one, two] = wholeSeries(rows, total, columns);
  expect(one).toMatchObject({ label: "Series A", total: 11, totalBefore: 7, values: [5, 6], before: [4, 3] });
  expect(two).toMatchObject({ values: [null, 1], before: [2, null] });
  expect(wholeSeries([{ bucket: "b1", A: 5 }], undefined, columns.slice(0, 1))[0]).not.toHaveProperty(
    "before",
  );
});
