import { expect, test } from "vitest";
import { filled, SNIPPETS } from "./snippets";

const GIVEN = { origin: "https://stats.example", script: "/js/tallystick.js", site: "shop", key: "wk_0123" };

test("everything is filled in", () => {
  for (const { template } of SNIPPETS) {
    const text = filled(template, GIVEN);
    expect(text).not.toContain("{{");
    for (const value of ["https://stats.example", "shop", "wk_0123"]) expect(text).toContain(value);
  }
});

test("lines about what there is not are left out", () => {
  for (const { template } of SNIPPETS) {
    const text = filled(template, { ...GIVEN, site: "", key: "" });
    expect(text).not.toMatch(/\{\{|site_id|X-API-Key|data-(site|key)/);
  }
});

test("a text that a language would have to escape is a place-holder", () => {
  const curl = SNIPPETS.find(({ id }) => id === "curl");
  const text = filled(curl?.template ?? "", { ...GIVEN, site: "it's", key: '"; rm -rf' });
  expect(text).toContain("YOUR_SITE");
  expect(text).toContain("YOUR_WRITE_KEY");
  expect(text).not.toContain("rm -rf");
});
