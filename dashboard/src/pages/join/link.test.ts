import { describe, expect, it } from "vitest";
import type { LinkShown } from "../../api/types";
import { tokenOf, wordsOf } from "./link";

const TOKEN = "a-B_9".repeat(8);

describe("the token of a one-time link", () => {
  it("is what follows the #", () => {
    expect(tokenOf(`#${TOKEN}`)).toBe(TOKEN);
  });

  it("is not there, cut off, or with other signs", () => {
    for (const hash of ["", "#", "#short", `#${TOKEN}/`, `#${TOKEN} `, `#${"a".repeat(300)}`, `#<${TOKEN}>`])
      expect(tokenOf(hash)).toBeNull();
  });
});

describe("what a link says", () => {
  const invitation: LinkShown = {
    kind: "invitation",
    email: "ann@example.com",
    name: null,
    admin: false,
    roles: [
      { site_id: "shop", role: "owner" },
      { site_id: "docs", role: "viewer" },
    ],
    expires_at: "2026-12-01T00:00:00Z",
  };

  it("names each role of an invitation", () => {
    expect(wordsOf(invitation).says).toBe(
      "ann@example.com can log in here as owner of shop, as viewer of docs, once there is a password.",
    );
  });

  it("names the administrator, whose roles do not matter", () => {
    expect(wordsOf({ ...invitation, admin: true }).says).toContain("as an administrator,");
    expect(wordsOf({ ...invitation, roles: [] }).says).toContain("with an account,");
  });
});
