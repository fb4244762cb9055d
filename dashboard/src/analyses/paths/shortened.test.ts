import { expect, it } from "vitest";
import { shortened } from "./shortened";

it("keeps what fits, and both ends of what does not", () => {
  expect(shortened("/pricing", 100)).toBe("/pricing");
  expect(shortened("/blog/2026/11/a-very-long-name-of-a-page", 100)).toMatch(/^\/blog.*….*page$/);
  expect(shortened("/日本語日本語日本語日本語", 100).length).toBeLessThan(9);
  expect(shortened("abcdef", 0)).toHaveLength(4);
});
