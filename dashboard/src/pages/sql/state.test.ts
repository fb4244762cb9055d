import { expect, test } from "vitest";
import { inserted, offsetOf, placeOf, sentence, tokens, wordEnd } from "./state";

test("where the server says that it is wrong", () => {
  expect(placeOf("sql: line 2, column 7: Expecting ), near 'FROM'")).toEqual({ line: 2, column: 7 });
  expect(placeOf("sql: there is no view 'x'")).toBeNull();
  expect(sentence("sql: only one SELECT")).toBe("only one SELECT");
  expect(sentence("sql: line 2, column 7: Expecting )")).toBe("Expecting )");
});

test("a place in a text, and at most its end", () => {
  const text = "SELECT 1\nFROM x";
  expect(offsetOf(text, { line: 1, column: 1 })).toBe(0);
  expect(offsetOf(text, { line: 2, column: 6 })).toBe(14);
  expect(offsetOf(text, { line: 2, column: 99 })).toBe(text.length);
  expect(offsetOf(text, { line: 9, column: 9 })).toBe(text.length);
});

test("the end of a word", () => {
  expect(wordEnd("SELECT 1 FROM", 9)).toBe(13);
  expect(wordEnd("a ) b", 2)).toBe(3);
});

test("a name does not run into its neighbours", () => {
  expect(inserted("SELECT", 6, 6, "name")).toBe(" name");
  expect(inserted("SELECT FROM", 7, 7, "name")).toBe("name ");
  expect(inserted("lower()", 6, 6, "name")).toBe("name");
});

test.each([
  "SELECT 'it''s', \"a b\" -- why\nFROM events /* x */ WHERE a1 = 1.5",
  "SELECT 'open",
  'SELECT "open /* ',
  "/* open 'x'",
  "",
  "<img src=x onerror=alert(1)>",
])("the pieces of a statement are the statement", (text) => {
  expect(
    tokens(text)
      .map((token) => token.text)
      .join(""),
  ).toBe(text);
});

test("what is a word, a text, a number, a comment", () => {
  const found = tokens("SELECT a1, 'select 2' -- from\nFROM x LIMIT 10");
  const of = (kind: string) => found.filter((token) => token.kind === kind).map((token) => token.text);
  expect(of("word")).toEqual(["SELECT", "FROM", "LIMIT"]);
  expect(of("text")).toEqual(["'select 2'"]);
  expect(of("comment")).toEqual(["-- from"]);
  expect(of("number")).toEqual(["10"]);
});
