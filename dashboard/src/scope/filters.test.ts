import { describe, expect, it } from "vitest";
import { type Filter, filterFor, fromText, toApi, toText } from "./filters";

describe("a filter in the address", () => {
  const filters: Filter[] = [
    { field: "name", op: "=", value: "a:=:b" },
    { field: "properties.plan", op: "!=", value: "10" },
    { field: "properties.a:b%3A", op: "contains", value: "x y\n&=" },
    { field: "user_id", op: "not_set", value: "" },
    { field: "path", op: "=", value: "javascript:alert(1)" },
  ];
  it.each(filters)("comes back as it was: $field $op $value", (filter) => {
    expect(fromText(toText(filter))).toEqual(filter);
  });

  it.each(["", "name", "name:=:", "name:~:x", "color:=:x", "properties.:=:x", ":=:x"])(
    "is none: %j",
    (text) => {
      expect(fromText(text)).toBeNull();
    },
  );
});

describe("a filter of the API", () => {
  it("leaves unfinished ones out", () => {
    expect(toApi([])).toBeUndefined();
    expect(toApi([{ field: "name", op: "=", value: "" }])).toBeUndefined();
    expect(toApi([{ field: "name", op: "set", value: "" }])).toEqual({ field: "name", op: "set" });
  });

  it("means the number and its text, in a property", () => {
    expect(toApi([{ field: "properties.n", op: "=", value: "5" }])).toEqual({
      any: [
        { field: "properties.n", op: "=", value: "5" },
        { field: "properties.n", op: "=", value: 5 },
      ],
    });
    expect(toApi([{ field: "properties.n", op: "!=", value: "true" }])).toEqual({
      all: [
        { field: "properties.n", op: "!=", value: "true" },
        { field: "properties.n", op: "!=", value: true },
      ],
    });
    expect(toApi([{ field: "properties.n", op: ">", value: "5" }])).toEqual({
      field: "properties.n",
      op: ">",
      value: 5,
    });
  });

  it("means the text alone in a column, and where there is no number that JSON can hold", () => {
    expect(toApi([{ field: "user_id", op: "=", value: "5" }])).toEqual({
      field: "user_id",
      op: "=",
      value: "5",
    });
    expect(toApi([{ field: "properties.n", op: "=", value: "1e999" }])).toEqual({
      field: "properties.n",
      op: "=",
      value: "1e999",
    });
  });
});

it("knows what a click on a value means", () => {
  expect(filterFor("path", null)).toEqual({ field: "path", op: "not_set", value: "" });
  expect(filterFor("properties.tags", '["a","b"]').op).toBe("contains");
  expect(filterFor("properties.tags", "[draft]").op).toBe("=");
});
