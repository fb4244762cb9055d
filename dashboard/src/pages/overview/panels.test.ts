import { expect, test } from "vitest";

import { absence, channelName, countedBy, fieldOf, filterOf, PANELS } from "./panels";

test.each([
  ["direct", "Direct"],
  ["paid_search", "Paid search"],
  ["ai", "AI assistants"],
  ["sms", "SMS"],
])("the channel %s is called %s", (channel, name) => {
  expect(channelName(channel)).toBe(name);
});

test("hosts are read from whichever property the events have", () => {
  const hosts = PANELS.flatMap((panel) => panel.tabs).find((tab) => tab.id === "host");
  if (!hosts) throw new Error("no tab");
  expect(fieldOf(hosts, new Set(["host", "$host"]))).toBe("properties.$host");
  expect(fieldOf(hosts, new Set(["hostname"]))).toBe("properties.hostname");
  expect(fieldOf(hosts, new Set(["$os"]))).toBeNull();
  const steps = { agent: "auto", visitor: "auto", country: "auto", address: "false" } as const;
  expect(absence(hosts, { ...steps, page: "false" })).toContain("TALLYSTICK_ENRICH_PAGE=false");
  expect(absence(hosts, { ...steps, page: "auto" })).not.toContain("TALLYSTICK_ENRICH");
});

test("the top pages are those with the most page views, whatever else is filtered", () => {
  const tabs = PANELS.flatMap((panel) => panel.tabs);
  const top = tabs.find((tab) => tab.id === "top");
  const hosts = tabs.find((tab) => tab.id === "host");
  if (!top || !hosts) throw new Error("no tab");
  const views = { field: "name", op: "in", value: ["page_view", "$pageview", "pageview"] };
  const germany = { field: "properties.country", op: "=", value: "DE" } as const;
  expect(countedBy(top, undefined)).toEqual(views);
  expect(countedBy(top, germany)).toEqual({ all: [germany, views] });
  expect(countedBy(hosts, germany)).toBe(germany);
});

test("a click on what describes a visit filters visits, on anything else it filters events", () => {
  const clicked = PANELS.flatMap((panel) => panel.tabs).map((tab) => [
    tab.id,
    filterOf(tab, tab.fields[0] ?? "", "x").field,
  ]);
  expect(Object.fromEntries(clicked)).toMatchObject({
    top: "path",
    entry: "session.entry_page",
    exit: "session.exit_page",
    channel: "session.channel",
    referrer: "session.referrer",
    utm_campaign: "session.properties.utm_campaign",
    host: "properties.$host",
    browser: "properties.$browser",
  });
  const channel = PANELS.flatMap((panel) => panel.tabs).find((tab) => tab.id === "referrer");
  if (!channel) throw new Error("no tab");
  expect(filterOf(channel, "referrer", null)).toEqual({
    field: "session.referrer",
    op: "not_set",
    value: "",
  });
});
