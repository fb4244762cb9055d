import { expect, it } from "vitest";
import { detailsText } from "./audit";

it("says the details of an audit entry in one line", () => {
  expect(detailsText({})).toBe("");
  expect(detailsText({ role: "owner", sites: ["shop", "docs"], admin: false })).toBe(
    "role: owner; sites: shop, docs; admin: false",
  );
  expect(detailsText({ last_used: null, origins: [], name: "", limits: { burst: 5 } })).toBe(
    'limits: {"burst":5}',
  );
});
