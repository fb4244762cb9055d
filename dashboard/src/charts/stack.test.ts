import { expect, it } from "vitest";
import { stacked, tickIndexes } from "./stack";

it("puts series on top of each other", () => {
  expect(
    stacked([
      [1, null],
      [2, 3],
    ]),
  ).toEqual([
    [
      [0, 1],
      [0, 0],
    ],
    [
      [1, 3],
      [0, 3],
    ],
  ]);
});

it("leaves room between labels", () => {
  expect(tickIndexes(7, 700, 76)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  expect(tickIndexes(30, 300, 76)).toEqual([0, 10, 20]);
  expect(tickIndexes(0, 300, 76)).toEqual([]);
});
