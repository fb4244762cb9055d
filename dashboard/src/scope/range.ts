import type { Interval } from "../api/query";
import { type Day, dayAt, instantOf, offsetAt, parseDay, plusDays, plusMonths } from "./zone";

/** Time ranges: what the picker offers, and which instants they mean now. */

export const PRESETS = [
  { id: "24h", label: "Last 24 hours" },
  { id: "today", label: "Today" },
  { id: "yesterday", label: "Yesterday" },
  { id: "7d", label: "Last 7 days" },
  { id: "30d", label: "Last 30 days" },
  { id: "90d", label: "Last 90 days" },
  { id: "week", label: "This week" },
  { id: "last_week", label: "Last week" },
  { id: "month", label: "This month" },
  { id: "last_month", label: "Last month" },
  { id: "year", label: "This year" },
  { id: "12m", label: "Last 12 months" },
  { id: "all", label: "All time" },
] as const;

export type PresetId = (typeof PRESETS)[number]["id"];

/** `from` and `to` are days such as 2026-11-21, both included. */
export type Range = { preset: PresetId } | { from: string; to: string };

export interface Span {
  since: number;
  until: number;
}

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
export const DEFAULT_RANGE: Range = { preset: "7d" };

/** The day that weeks begin on. */
export type WeekStart = "monday" | "sunday";

/**
 * The instants of a range; null for all time. Ranges that reach to now end with the hour that is under way: their last
 * bucket is whole or the current one, and an answer may be kept for a while. Which period a range is compared with is
 * the server's to say: queries name the range (`rangeText`).
 */
export function resolve(
  range: Range,
  zone: string,
  now: number,
  weekStart: WeekStart = "monday",
): Span | null {
  const hourEnd = nextHour(now, zone);
  const today = dayAt(now, zone);
  const start = (day: Day) => instantOf(day, 0, zone);
  const lastDays = (days: number): Span => ({ since: start(plusDays(today, 1 - days)), until: hourEnd });
  const week = weekBegin(today, weekStart);
  if ("from" in range) {
    const from = parseDay(range.from) ?? today;
    const to = parseDay(range.to) ?? today;
    const whole = { since: start(from), until: start(plusDays(to, 1)) };
    return { since: whole.since, until: Math.max(Math.min(whole.until, hourEnd), whole.since) };
  }
  const first = { ...today, day: 1 };
  switch (range.preset) {
    case "24h":
      return { since: hourEnd - DAY, until: hourEnd };
    case "today":
      return lastDays(1);
    case "yesterday":
      return { since: start(plusDays(today, -1)), until: start(today) };
    case "7d":
      return lastDays(7);
    case "30d":
      return lastDays(30);
    case "90d":
      return lastDays(90);
    case "week":
      return { since: start(week), until: hourEnd };
    case "last_week":
      return { since: start(plusDays(week, -7)), until: start(week) };
    case "month":
      return { since: start(first), until: hourEnd };
    case "last_month":
      return { since: start(plusMonths(first, -1)), until: start(first) };
    case "year":
      return { since: start({ ...today, month: 1, day: 1 }), until: hourEnd };
    case "12m":
      return { since: start(plusMonths(first, -11)), until: hourEnd };
    case "all":
      return null;
  }
}

/** The first day of the week that a day is in. */
export function weekBegin(day: Day, weekStart: WeekStart): Day {
  const weekday = new Date(Date.UTC(day.year, day.month - 1, day.day)).getUTCDay();
  return plusDays(day, -((weekday + (weekStart === "sunday" ? 0 : 6)) % 7));
}

/** The dashboard's names that the API has others for. */
const NAMES: Partial<Record<PresetId, string>> = { "12m": "12mo" };

/** A range as the API writes it: `7d`, or two days `2026-11-01/2026-11-21`. */
export function rangeText(range: Range): string {
  return "preset" in range ? (NAMES[range.preset] ?? range.preset) : `${range.from}/${range.to}`;
}

/** null: the dashboard has no such range. */
export function rangeFrom(text: string): Range | null {
  const preset = PRESETS.find(({ id }) => (NAMES[id] ?? id) === text);
  if (preset) return { preset: preset.id };
  const [from, to, ...more] = text.split("/");
  if (from === undefined || to === undefined || more.length > 0) return null;
  return parseDay(from) && parseDay(to) && from <= to ? { from, to } : null;
}

/** The end of the hour that the zone's clock is in. */
export function nextHour(now: number, zone: string): number {
  const offset = offsetAt(now, zone);
  return (Math.floor((now + offset) / HOUR) + 1) * HOUR - offset;
}

/** The intervals that make sense for so long a span, finest first. */
export function intervalsFor(span: Span | null): Interval[] {
  const length = span ? span.until - span.since : Infinity;
  const all: [Interval, number, number][] = [
    ["minute", 0, 6 * HOUR],
    ["hour", 0, 32 * DAY],
    ["day", 2 * DAY, 800 * DAY],
    ["week", 8 * DAY, Infinity],
    ["month", 32 * DAY, Infinity],
  ];
  const fitting = all.filter(([, least, most]) => length >= least && length <= most).map(([name]) => name);
  return fitting.length > 0 ? fitting : ["month"];
}

export function defaultInterval(span: Span | null): Interval {
  const length = span ? span.until - span.since : Infinity;
  if (length <= 3 * HOUR) return "minute";
  if (length <= 2 * DAY + HOUR) return "hour";
  if (length <= 100 * DAY) return "day";
  return length <= 400 * DAY ? "week" : "month";
}

export function rangeLabel(range: Range): string {
  if ("preset" in range) return PRESETS.find((preset) => preset.id === range.preset)?.label ?? range.preset;
  return range.from === range.to ? range.from : `${range.from} – ${range.to}`;
}
