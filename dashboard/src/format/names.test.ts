import { expect, it } from "vitest";
import { countryName } from "./names";

it.each([
  ["DE", "Germany"],
  ["gb", "United Kingdom"],
  ["XQ", "XQ"],
  ["Germany", "Germany"],
  ["", ""],
  ["D1", "D1"],
])("country %s is %s", (code, name) => expect(countryName(code)).toBe(name));
