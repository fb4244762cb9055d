import { expect, it } from "vitest";
import { numberOf, tokenFrom } from "./token";

const TOKEN = `sh_${"a1".repeat(6)}_${"Ab-_".repeat(10)}xyz`;

it("takes a token from the fragment, and nothing else", () => {
  expect(tokenFrom(`#${TOKEN}`)).toBe(TOKEN);
  for (const hash of ["", "#", "#sh_", `#${TOKEN}x`, `#${TOKEN.slice(1)}`, `# ${TOKEN}`, `#${TOKEN}\n`])
    expect(tokenFrom(hash)).toBeNull();
});

it("gives each token a number of its own, which says nothing of it", () => {
  expect([numberOf("one"), numberOf("two"), numberOf("one")]).toEqual([1, 2, 1]);
});
