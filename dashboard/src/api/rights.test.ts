import { describe, expect, it } from "vitest";
import { may, namedSites } from "./rights";
import type { May } from "./types";

const NONE: May = {
  read: [],
  edit: [],
  sql: [],
  export: [],
  erase: [],
  own: [],
  operate: false,
  admin: false,
};

describe("a right for sites", () => {
  it("holds for the sites that are listed, and not for all of them", () => {
    const rights = { ...NONE, read: ["a", "b"], edit: ["a"] };
    expect(may(rights, "read", "b")).toBe(true);
    expect(may(rights, "edit", "b")).toBe(false);
    expect(may(rights, "read", null)).toBe(false);
    expect(may(rights, "edit", undefined)).toBe(true);
    expect(may(rights, "sql", undefined)).toBe(false);
  });

  it("holds everywhere with the asterisk", () => {
    const rights = { ...NONE, own: ["*"] };
    expect(may(rights, "own", "any")).toBe(true);
    expect(may(rights, "own", null)).toBe(true);
    expect(may(rights, "own", undefined)).toBe(true);
  });

  it("does not come from a site whose name begins with the asterisk", () => {
    expect(may({ ...NONE, read: ["**"] }, "read", "a")).toBe(false);
    expect(namedSites(["**"])).toEqual(["**"]);
    expect(namedSites(["a", "*"])).toBeNull();
  });
});
