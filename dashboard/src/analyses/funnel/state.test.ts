import { expect, it } from "vitest";
import { funnelParams, funnelScope, moved, readFunnel, windowFrom, windowSeconds } from "./state";

it("reads what it writes", () => {
  const funnel = {
    steps: [
      { name: "a;b", filters: [{ field: "path", op: "=" as const, value: "/x" }] },
      { name: "", filters: [] },
    ],
    order: "any" as const,
    window: { number: 30, unit: "min" as const },
    by: "properties.plan",
    top: "10" as const,
    listed: { step: 2, outcome: "dropped" as const },
  };
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(funnelParams(funnel)))
    for (const each of Array.isArray(value) ? value : [value ?? ""]) params.append(name, each);
  expect(readFunnel(params)).toEqual(funnel);
  expect(funnelScope({ site_id: "s" }, funnel.steps, funnel)).toEqual({
    site_id: "s",
    steps: [{ name: "a;b", filter: { field: "path", op: "=", value: "/x" } }, {}],
    order: "any",
    window: 1800,
  });
});

it("leaves out what is as usual, and takes no nonsense", () => {
  const usual = readFunnel(new URLSearchParams());
  expect(funnelParams(usual)).toEqual({
    step: null,
    order: null,
    window: null,
    by: null,
    top: null,
    people: null,
  });
  const odd = new URLSearchParams("step=a&step=b&order=x&window=0d&by=event_id&top=4&people=dropped:1");
  expect(readFunnel(odd)).toEqual({
    ...usual,
    steps: [
      { name: "a", filters: [] },
      { name: "b", filters: [] },
    ],
  });
});

it("bounds the window as the API does", () => {
  expect(windowFrom("366d")).toEqual({ number: 366, unit: "d" });
  expect(["367d", "0s", "1.5h", "d", "-1d"].map(windowFrom)).toEqual([null, null, null, null, null]);
  expect(windowSeconds({ number: 2, unit: "h" })).toBe(7200);
});

it("moves a step", () => {
  expect(moved(["a", "b", "c"], 2, 0)).toEqual(["c", "a", "b"]);
  expect(moved(["a", "b", "c"], 0, 1)).toEqual(["b", "a", "c"]);
});
