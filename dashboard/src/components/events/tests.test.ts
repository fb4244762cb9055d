import { expect, it } from "vitest";
import { ANY, testFrom, testLabel, testQuery, testText } from "./tests";

const PAID = {
  name: "paid; 100%",
  filters: [
    { field: "properties.a:b", op: "=" as const, value: "x;y%3B" },
    { field: "path", op: "set" as const, value: "" },
  ],
};

it("survives the address, whatever names and values hold", () => {
  expect(testFrom(testText(PAID))).toEqual(PAID);
  expect(testFrom(testText(ANY))).toEqual(ANY);
  expect(testFrom("")).toEqual(ANY);
  expect(testFrom("a;nonsense;path:=:/")).toEqual({
    name: "a",
    filters: [{ field: "path", op: "=", value: "/" }],
  });
});

it("becomes what the API takes, and words", () => {
  expect(testQuery(ANY)).toEqual({});
  expect(testQuery({ name: "a", filters: [] })).toEqual({ name: "a" });
  expect(testQuery(PAID)).toEqual({
    name: "paid; 100%",
    filter: {
      all: [
        { field: "properties.a:b", op: "=", value: "x;y%3B" },
        { field: "path", op: "set" },
      ],
    },
  });
  expect(testLabel(PAID)).toBe("paid; 100%, a:b is x;y%3B, Page is set");
  expect(testLabel(ANY)).toBe("Any event");
});
