import { expect, test } from "vitest";
import { textIn } from "./rows";
import { Digits, parse, stringify } from "./digits";

const STEAM =
  '{"id":76561198000000001,"name":"76561198000000001","all":[9007199254740993,-9007199254740993,5,1.5]}';

test("integers beyond 2^53 keep their digits, in every browser", () => {
  const read = parse(STEAM) as Record<string, unknown>;
  expect(read["id"]).toEqual(new Digits("76561198000000001"));
  expect(read["name"]).toBe("76561198000000001");
  expect(read["all"]).toEqual([new Digits("9007199254740993"), new Digits("-9007199254740993"), 5, 1.5]);
  expect(stringify(read)).toBe(STEAM);
  expect(stringify(read["id"])).toBe("76561198000000001");
  expect(textIn({ id: read["id"] }, "id")).toBe("76561198000000001");
});

test("texts and other numbers are what JSON.parse makes of them", () => {
  for (const json of [
    '{"a":"\\"1234567890123456789\\" 1234567890123456789","b":1234567890123456.5,"c":1e300,"d":123456789012345e4}',
    '["\\\\",1234567890123456]',
    "[12345678901234567890.0]",
    "[1.12345678901234567890]",
    '{"1234567890123456789":null}',
  ]) {
    expect(parse(json)).toEqual(JSON.parse(json));
  }
  expect(() => parse("{1234567890123456789")).toThrow();
});
