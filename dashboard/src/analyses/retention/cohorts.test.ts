import { expect, it } from "vitest";
import { begun, level, LEVELS, meanRetention, strongest } from "./cohorts";

const ROWS = [
  { cohort: "a", users: 10, returned: [10, 4, 1], shares: [1, 0.4, 0.1], complete: 2 },
  { cohort: "b", users: 30, returned: [30, 6], shares: [1, 0.2], complete: 2 },
  { cohort: "c", users: 0, returned: [0], shares: [null], complete: 0 },
];

it("takes the mean of the complete periods, weighted by persons", () => {
  expect(meanRetention(ROWS)).toEqual([
    { users: 40, returned: 40, share: 1 },
    { users: 40, returned: 10, share: 0.25 },
    { users: 0, returned: 0, share: null },
  ]);
  expect(meanRetention([])).toEqual([]);
});

it("colours by the largest share of those who came back", () => {
  expect(strongest(ROWS)).toBe(0.4);
  expect([null, 0, 0.0001, 0.2, 0.4, 1].map((share) => level(share, 0.4))).toEqual([0, 0, 1, 4, 8, LEVELS]);
  expect(strongest([])).toBe(1);
});

it("leaves out the periods before the first user, and none after", () => {
  expect(begun([0, 0, 3, 0, 1], (users) => users > 0)).toEqual([3, 0, 1]);
  expect(begun([0], (users) => users > 0)).toEqual([]);
});
