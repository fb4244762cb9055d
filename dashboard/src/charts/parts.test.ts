import { expect, it } from "vitest";
import { cutParts, type Part, points, wholePart } from "./parts";

it.each<[boolean[] | undefined, Part, Part[]]>([
  [undefined, [0, 4], []],
  [[true, true, true, true], [0, 4], []],
  [[true, true, true, false], [0, 3], [[2, 4]]],
  [
    [false, true, true, false],
    [1, 3],
    [
      [0, 2],
      [2, 4],
    ],
  ],
  [[false, false, false, false], [0, 0], [[0, 4]]],
])("of buckets %j the whole ones are %j, and %j are drawn apart", (complete, whole, cut) => {
  expect(wholePart(4, complete)).toEqual(whole);
  expect(cutParts(4, whole)).toEqual(cut);
});

it("keeps the index of each value", () => {
  expect(points([5, null, 7], [1, 3])).toEqual([
    { value: null, index: 1 },
    { value: 7, index: 2 },
  ]);
});
