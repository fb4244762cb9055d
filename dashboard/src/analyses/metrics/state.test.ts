import { describe, expect, it } from "vitest";
import { columnsOf, type Exploration, explorationParams, readExploration, without } from "./state";
import { ANY } from "../../components/events/tests";

const paid = { name: "purchase", filters: [{ field: "properties.plan", op: "=" as const, value: "pro" }] };
const EXPLORATION: Exploration = {
  measures: [
    { metric: { kind: "users" }, of: paid },
    { metric: { kind: "sum", property: "amount" }, of: ANY },
  ],
  formula: "B / A",
  shown: 0,
  by: "properties.country",
  top: "10",
  shape: "number",
};

function inAddress(change: Partial<Exploration>): URLSearchParams {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(explorationParams(change)))
    for (const each of Array.isArray(value) ? value : value === null ? [] : [value])
      params.append(name, each);
  return params;
}

describe("the address", () => {
  it("holds the whole exploration", () =>
    expect(readExploration(inAddress(EXPLORATION))).toEqual(EXPLORATION));

  it("says nothing of what is as usual", () => {
    const usual = readExploration(new URLSearchParams());
    expect(inAddress(usual).toString()).toBe("");
    expect(usual.measures).toEqual([{ metric: { kind: "events" }, of: ANY }]);
  });

  it("is not trusted", () => {
    const odd = readExploration(new URLSearchParams("metric=sum&by=drop&top=7&chart=pie&show=9"));
    expect(odd).toEqual(readExploration(new URLSearchParams()));
  });
});

describe("the query", () => {
  it("names metrics by their letters, and has a filter for each", () => {
    const { metrics, formulas, columns } = columnsOf(EXPLORATION);
    expect(metrics).toEqual([
      {
        kind: "users",
        name: "A",
        filter: {
          all: [
            { field: "name", op: "=", value: "purchase" },
            { field: "properties.plan", op: "=", value: "pro" },
          ],
        },
      },
      { kind: "sum", property: "amount", name: "B" },
    ]);
    expect(formulas).toEqual([{ name: "formula", expression: "B / A" }]);
    expect(columns.map(({ name }) => name)).toEqual(["B / A"]);
  });

  it("breaks down one of several measures, and measures all of them otherwise", () => {
    const several = { ...EXPLORATION, formula: "", shown: 1 };
    expect(columnsOf(several).metrics.map(({ name }) => name)).toEqual(["B"]);
    const whole = columnsOf({ ...several, by: "" });
    expect(whole.columns.map(({ label, name, zero }) => [label, name, zero])).toEqual([
      ["A", "Users: purchase, plan is pro", 0],
      ["B", "Sum of amount", null],
    ]);
  });
});

it("gives up the formula with a measure that it could name", () => {
  expect(without({ ...EXPLORATION, shown: 1 }, 0)).toEqual({
    measures: [EXPLORATION.measures[1]],
    formula: "",
    shown: 0,
  });
});
