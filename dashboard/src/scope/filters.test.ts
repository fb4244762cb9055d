import { describe, expect, it } from "vitest";
import { stringify } from "../api/digits";
import { type Filter, filterFor, fromText, toApi, toText } from "./filters";

describe("a filter in the address", () => {
  const filters: Filter[] = [
    { field: "name", op: "=", value: "a:=:b" },
    { field: "properties.plan", op: "!=", value: "10" },
    { field: "properties.a:b%3A", op: "contains", value: "x y\n&=" },
    { field: "user_id", op: "not_set", value: "" },
    { field: "path", op: "=", value: "javascript:alert(1)" },
    { field: "path", op: "=", value: "" },
    { field: "properties.plan", op: "!=", value: "" },
    { field: "properties.cart.items", op: "has", value: "a:b" },
  ];
  it.each(filters)("comes back as it was: $field $op $value", (filter) => {
    expect(fromText(toText(filter))).toEqual(filter);
  });

  it.each([
    "",
    "name",
    "name:=",
    "name:has:x",
    "name:set:x",
    "name:~:x",
    "color:=:x",
    "properties.:=:x",
    ":=:x",
  ])("is none: %j", (text) => {
    expect(fromText(text)).toBeNull();
  });
});

describe("a filter of the API", () => {
  it("may have an empty value", () => {
    expect(toApi([])).toBeUndefined();
    expect(toApi([{ field: "path", op: "=", value: "" }])).toEqual({ field: "path", op: "=", value: "" });
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
    expect(toApi([{ field: "properties.n", op: "has", value: "5" }])).toEqual({
      any: [
        { field: "properties.n", op: "has", value: "5" },
        { field: "properties.n", op: "has", value: 5 },
      ],
    });
    expect(toApi([{ field: "properties.n", op: ">", value: "5" }])).toEqual({
      field: "properties.n",
      op: ">",
      value: 5,
    });
  });

  it("keeps every digit of a number beyond 2^53", () => {
    expect(stringify(toApi([{ field: "properties.n", op: "=", value: "76561198000000001" }]))).toBe(
      '{"any":[{"field":"properties.n","op":"=","value":"76561198000000001"},' +
        '{"field":"properties.n","op":"=","value":76561198000000001}]}',
    );
    expect(stringify(toApi([{ field: "properties.n", op: ">", value: "-9007199254740993" }]))).toBe(
      '{"field":"properties.n","op":">","value":-9007199254740993}',
    );
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
