import { expect, test } from "vitest";
import type { SqlResult } from "../../api/types";
import { Digits, exactly, loses } from "../../api/digits";
import { drawing, instants, numberText, showers, wholeText } from "./cells";

function answer(types: string[], rows: unknown[][]): SqlResult {
  const columns = types.map((type, place) => ({ name: `c${place}`, type }));
  return { columns, rows, truncated: false, elapsed_ms: 1, events_from: null };
}

test("values as text", () => {
  expect(wholeText(null)).toBeNull();
  expect(wholeText("<b>")).toBe("<b>");
  expect(wholeText(false)).toBe("false");
  expect(wholeText({ a: [1, "x", null, new Digits("12345678901234567890")] })).toBe(
    '{"a": [1, "x", null, 12345678901234567890]}',
  );
});

test("numbers keep their digits where they count", () => {
  expect(numberText(new Digits("1.50"))).toBe("1.50");
  expect(numberText(123456789)).toBe("123456789");
  expect(numberText(0.30000000000000004)).toBe("0.3");
  expect(numberText(12.5)).toBe("12.5");
  expect(numberText(1.23456789e-9)).toBe("1.23457e-9");
});

test("what JavaScript would write otherwise than it was written", () => {
  expect(loses(Number("12345678901234567890"), "12345678901234567890")).toBe(true);
  expect(loses(1.5, "1.50")).toBe(true);
  expect([loses(7, "7"), loses(1.5, "1.5"), loses(1e300, "1e300"), loses(1e21, "1e+21")]).toEqual([
    false,
    false,
    false,
    false,
  ]);
  expect(exactly('{"a": [1, "12", null]}')).toEqual({ a: [1, "12", null] });
});

test("instants are as fine as their column", () => {
  const days = instants(["2026-11-21T00:00:00.000000Z", null]);
  expect(days("2026-11-21T00:00:00.000000Z")).toBe("2026-11-21");
  const seconds = instants(["2026-11-21T10:01:02.000000Z"]);
  expect(seconds("2026-11-21T10:01:02.000000Z")).toBe("2026-11-21 10:01:02");
  const fine = instants(["2026-11-21T10:01:02.123456Z"]);
  expect(fine("2026-11-21T10:01:02.123456Z")).toBe("2026-11-21 10:01:02.123");
  expect(fine("infinity")).toBe("infinity");
});

test("each column has its way", () => {
  const [at, number, text] = showers(
    answer(["timestamp", "number", "text"], [["2026-11-21T00:00:00.000000Z", 0.1 + 0.2, "x"]]),
  );
  expect([at?.("2026-11-21T00:00:00.000000Z"), number?.(0.1 + 0.2), text?.("x"), number?.(null)]).toEqual([
    "2026-11-21",
    "0.3",
    "x",
    null,
  ]);
});

test("what can be a chart", () => {
  const days = answer(
    ["timestamp", "integer", "decimal"],
    [
      ["2026-11-02T00:00:00.000000Z", 2, new Digits("1.50")],
      ["2026-11-01T00:00:00.000000Z", 1, null],
    ],
  );
  expect(drawing(days)).toMatchObject({
    kind: "time",
    interval: "day",
    labels: ["2026-11-01T00:00:00.000Z", "2026-11-02T00:00:00.000Z"],
    series: [{ values: [1, 2] }, { values: [null, 1.5] }],
  });
  expect(
    drawing(
      answer(
        ["text", "integer"],
        [
          ["a", 1],
          [null, 3],
        ],
      ),
    ),
  ).toMatchObject({
    kind: "bars",
    labels: ["a", "NULL"],
  });
  expect(
    drawing(
      answer(
        ["text", "text"],
        [
          ["a", "b"],
          ["c", "d"],
        ],
      ),
    ),
  ).toBeNull();
  expect(drawing(answer(["integer"], [[1], [2]]))).toBeNull();
  expect(
    drawing(
      answer(
        ["text", "integer"],
        [
          ["a", 1],
          ["b", -1],
        ],
      ),
    ),
  ).toBeNull();
  const twice = ["2026-11-02", "2026-11-02"].map((day) => [day, 1]);
  expect(drawing(answer(["date", "integer"], twice))).toBeNull();
});
