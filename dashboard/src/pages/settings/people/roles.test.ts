import { describe, expect, it } from "vitest";
import { bySite, changesOf, listed, rolesText, withRole } from "./roles";

const ANN = bySite([
  { site_id: "shop", role: "owner" },
  { site_id: "docs", role: "viewer" },
]);

describe("roles on sites", () => {
  it("change one at a time", () => {
    expect(listed(withRole(ANN, "docs", "editor"))).toEqual([
      { site_id: "shop", role: "owner" },
      { site_id: "docs", role: "editor" },
    ]);
    expect(listed(withRole(ANN, "docs", null))).toEqual([{ site_id: "shop", role: "owner" }]);
    expect(withRole(ANN, "blog", null)).toEqual(ANN);
  });

  it("are sent where they differ", () => {
    expect(changesOf(ANN, ANN)).toEqual([]);
    const after = withRole(withRole(withRole(ANN, "shop", null), "docs", "editor"), "blog", "viewer");
    expect(changesOf(ANN, after)).toEqual([
      { site_id: "shop", role: null },
      { site_id: "docs", role: "editor" },
      { site_id: "blog", role: "viewer" },
    ]);
  });

  it("keep a site whose id means something to JavaScript", () => {
    const odd = withRole(bySite([{ site_id: "__proto__", role: "viewer" }]), "constructor", "owner");
    expect(listed(odd)).toEqual([
      { site_id: "__proto__", role: "viewer" },
      { site_id: "constructor", role: "owner" },
    ]);
  });

  it("are said in words", () => {
    expect(rolesText({ admin: false, roles: listed(ANN) })).toBe("Owner of shop, Viewer of docs");
    expect(rolesText({ admin: true, roles: listed(ANN) })).toBe("Administrator of the whole server");
    expect(rolesText({ admin: false, roles: [] })).toBe("No role on any site");
  });
});
