import { expect, it } from "vitest";
import { anchorOf, stacked, tickIndexes } from "./stack";

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

it("puts negative numbers below zero, whatever stands above it", () => {
  expect(stacked([[5], [-2], [3], [-1]])).toEqual([[[0, 5]], [[0, -2]], [[5, 8]], [[-2, -3]]]);
});

it("leaves room between labels", () => {
  expect(tickIndexes(7, 700, 76)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  expect(tickIndexes(30, 300, 76)).toEqual([0, 10, 20]);
  expect(tickIndexes(0, 300, 76)).toEqual([]);
});

it("a label at an edge is not cut", () => {
  expect(anchorOf("28 Nov", 0, 600, 12)).toBe("start");
  expect(anchorOf("28 Nov", 300, 600, 12)).toBe("middle");
  expect(anchorOf("28 Nov", 600, 600, 12)).toBe("end");
  expect(anchorOf("28", 600, 600, 12)).toBe("middle");
});
