import type { Interval } from "../api/query";
import { type Day, dayAt, daysBetween, instantOf, offsetAt, parseDay, plusDays, plusMonths } from "./zone";

/** Time ranges: what the picker offers, and which instants they mean now. */

export const PRESETS = [
  { id: "24h", label: "Last 24 hours" },
  { id: "today", label: "Today" },
  { id: "yesterday", label: "Yesterday" },
  { id: "7d", label: "Last 7 days" },
  { id: "30d", label: "Last 30 days" },
  { id: "90d", label: "Last 90 days" },
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

/** The milliseconds of a range, and of the one before it; null for all time, where there is none. */
export interface Resolved {
  span: Span | null;
  previous: Span | null;
}

/**
 * Ranges that reach to now end with the hour that is under way: their last bucket is whole or the current one, and an
 * answer may be kept for a while. The previous period is as long, and ends at the same time of its last day.
 */
export function resolve(range: Range, zone: string, now: number): Resolved {
  const hourEnd = nextHour(now, zone);
  const today = dayAt(now, zone);
  const start = (day: Day) => instantOf(day, 0, zone);
  const lastDays = (days: number): Resolved => {
    const first = plusDays(today, 1 - days);
    return shifted({ since: start(first), until: hourEnd }, (day) => plusDays(day, -days), zone);
  };
  if ("from" in range) {
    const from = parseDay(range.from) ?? today;
    const to = parseDay(range.to) ?? today;
    const days = daysBetween(from, to) + 1;
    const whole = { since: start(from), until: start(plusDays(to, 1)) };
    const span = { since: whole.since, until: Math.max(Math.min(whole.until, hourEnd), whole.since) };
    return shifted(span, (day) => plusDays(day, -days), zone);
  }
  switch (range.preset) {
    case "24h":
      return {
        span: { since: hourEnd - DAY, until: hourEnd },
        previous: { since: hourEnd - 2 * DAY, until: hourEnd - DAY },
      };
    case "today":
      return lastDays(1);
    case "yesterday": {
      const span = { since: start(plusDays(today, -1)), until: start(today) };
      return { span, previous: { since: start(plusDays(today, -2)), until: span.since } };
    }
    case "7d":
      return lastDays(7);
    case "30d":
      return lastDays(30);
    case "90d":
      return lastDays(90);
    case "month":
      return shifted(
        { since: start({ ...today, day: 1 }), until: hourEnd },
        (day) => plusMonths(day, -1),
        zone,
      );
    case "last_month": {
      const first = { ...today, day: 1 };
      const span = { since: start(plusMonths(first, -1)), until: start(first) };
      return { span, previous: { since: start(plusMonths(first, -2)), until: span.since } };
    }
    case "year":
      return shifted(
        { since: start({ ...today, month: 1, day: 1 }), until: hourEnd },
        (day) => plusMonths(day, -12),
        zone,
      );
    case "12m":
      return shifted(
        { since: start({ ...plusMonths(today, -11), day: 1 }), until: hourEnd },
        (day) => plusMonths(day, -12),
        zone,
      );
    case "all":
      return { span: null, previous: null };
  }
}

function shifted(span: Span, back: (day: Day) => Day, zone: string): Resolved {
  const move = (instant: number) => {
    const day = dayAt(instant, zone);
    return instantOf(back(day), 0, zone) + (instant - instantOf(day, 0, zone));
  };
  const since = move(span.since);
  return { span, previous: { since, until: Math.max(since, Math.min(move(span.until), span.since)) } };
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
