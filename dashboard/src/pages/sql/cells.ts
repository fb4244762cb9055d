import type { Interval } from "../../api/query";
import type { ColumnShape, SqlResult } from "../../api/types";
import { Digits } from "../../api/digits";

/** Values of an answer as text; nothing here draws. */

const NUMBERS = ["integer", "decimal", "number"];

export const isNumber = (column: ColumnShape) => NUMBERS.includes(column.type);
export const isInstant = (column: ColumnShape) => ["timestamp", "datetime"].includes(column.type);

/** A value's text, whole; null is null. */
export function wholeText(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (typeof value === "string") return value;
  if (value instanceof Digits) return value.text;
  return jsonText(value);
}

function jsonText(value: unknown): string {
  if (value instanceof Digits) return value.text;
  if (Array.isArray(value)) return `[${value.map(jsonText).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const parts = Object.entries(value).map(([key, part]) => `${JSON.stringify(key)}: ${jsonText(part)}`);
  return `{${parts.join(", ")}}`;
}

/** How the instants of a column are shown: days when all are midnights, seconds, or all that they have. */
export function instants(values: readonly unknown[]): (text: string) => string {
  const texts = values.filter((value) => typeof value === "string");
  const all = (end: RegExp) => texts.every((text) => end.test(text));
  const length = all(/T00:00:00(\.0+)?Z?$/) ? 10 : all(/T\d\d:\d\d:\d\d(\.0+)?Z?$/) ? 19 : 23;
  // What is no instant with a year of four digits, such as infinity, is shown as it is.
  return (text) => (/^\d{4}-\d\d-\d\dT/.test(text) ? text.slice(0, length).replace("T", " ") : text);
}

const SIX = new Intl.NumberFormat("en", { maximumSignificantDigits: 6, useGrouping: false });

/** Doubles that have many digits behind the point are shown with six; the whole is in the title. */
export function numberText(value: unknown): string {
  const whole = wholeText(value) ?? "";
  if (typeof value !== "number" || Number.isInteger(value) || whole.length <= 8) return whole;
  return Math.abs(value) >= 1e-4 && Math.abs(value) < 1e6 ? SIX.format(value) : value.toPrecision(6);
}

/** Functions that show the values of each column. */
export function showers({ columns, rows }: SqlResult): ((value: unknown) => string | null)[] {
  return columns.map((column, place) => {
    if (isInstant(column)) {
      const show = instants(rows.map((row) => row[place]));
      return (value) => (typeof value === "string" ? show(value) : wholeText(value));
    }
    if (isNumber(column)) return (value) => (value === null ? null : numberText(value));
    return wholeText;
  });
}

export interface Drawing {
  kind: "time" | "bars";
  labels: string[];
  interval: Interval;
  series: { label: string; values: (number | null)[] }[];
}

const DRAWN_ROWS = 1_000;
const SERIES = 6;
const HOUR = 3_600_000;

/** What an answer is as a chart: its first column against its numbers; null where that means nothing. */
export function drawing({ columns, rows }: SqlResult): Drawing | null {
  const [first, ...others] = columns;
  if (!first || rows.length < 2 || rows.length > DRAWN_ROWS || others.length === 0) return null;
  if (others.length > SERIES || !others.every(isNumber)) return null;
  const timed = isInstant(first) || first.type === "date";
  const ordered = timed ? inTime(rows) : rows;
  const series = others.map((column, place) => ({
    label: column.name,
    values: ordered.map((row) => plain(row[place + 1])),
  }));
  if (timed) {
    if (ordered.length < 2) return null;
    const labels = ordered.map(([at]) => new Date(atOf(at)).toISOString());
    // Two rows of one instant are groups of something that is no axis.
    if (new Set(labels).size < labels.length) return null;
    return { kind: "time", labels, interval: intervalOf(labels), series };
  }
  if (first.type !== "text" || rows.length > 50) return null;
  if (!series[0]?.values.every((value) => value !== null && value >= 0)) return null;
  return {
    kind: "bars",
    labels: rows.map((row) => wholeText(row[0]) ?? "NULL"),
    interval: "day",
    series: series.slice(0, 1),
  };
}

function inTime(rows: unknown[][]): unknown[][] {
  return rows.filter(([at]) => !Number.isNaN(atOf(at))).sort(([a], [b]) => atOf(a) - atOf(b));
}

/** Milliseconds since 1970; what has no zone is in UTC. */
function atOf(value: unknown): number {
  if (typeof value !== "string") return NaN;
  return Date.parse(value.includes("T") && !value.endsWith("Z") ? `${value}Z` : value);
}

function plain(value: unknown): number | null {
  if (value instanceof Digits) return Number(value.text);
  return typeof value === "number" ? value : null;
}

function intervalOf(labels: string[]): Interval {
  const times = labels.map((label) => Date.parse(label));
  const least = Math.min(...times.slice(1).map((time, place) => time - (times[place] ?? time)));
  if (least < HOUR) return "minute";
  return least < 24 * HOUR ? "hour" : least < 28 * 24 * HOUR ? "day" : "month";
}
