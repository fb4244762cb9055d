import { useCallback, useEffect, useMemo, useState } from "react";
import { useLocation } from "wouter";
import type { BeforeRange, Period } from "../api/types";
import type { Interval, QueryScope } from "../api/query";
import { deniedSite, useFirstEvent, useSites } from "../api/sites";
import { stored } from "../api/storage";
import { address, type Params, useSearch } from "./address";
import { type Filter, fromText, toApi, toText } from "./filters";
import {
  DEFAULT_RANGE,
  defaultInterval,
  HOUR,
  intervalsFor,
  nextHour,
  PRESETS,
  type Range,
  rangeText,
  resolve,
  type Span,
  type WeekStart,
} from "./range";
import { dayAt, instantOf, isZone, localZone, parseDay } from "./zone";

/** What the address says about which events are looked at; the whole of a page's state is in the address. */

export type { Params } from "./address";

/** Parameters that stay when another page is opened. */
const KEPT = ["site", "range", "from", "to", "tz", "compare", "interval", "week", "filter", "bots"];

export interface View {
  /** null: every site. */
  site: string | null;
  range: Range;
  zone: string;
  span: Span | null;
  /** The day that weeks begin on. */
  weekStart: WeekStart;
  /** Whether there is a period before the range, and the reader wants to compare with it. */
  compared: boolean;
  /** Whether the reader wants comparisons, where there is a period before. */
  compare: boolean;
  interval: Interval;
  intervals: Interval[];
  filters: Filter[];
  /** Whether the events of bots count, too. */
  bots: boolean;
  /** For queries about the range. */
  scope: QueryScope;
  /** What such a query needs for the comparison with the period before, where the reader wants it: the range's name. */
  comparison: { compare?: BeforeRange; timezone?: string };
  /** The same without the range. */
  everScope: QueryScope;
  /** The last instant of the current hour. */
  now: number;
  /** Whether the answer changes while time passes. */
  current: boolean;
  /** False until the sites, and for all time the first event, are known; and for a site that the caller may not read. */
  ready: boolean;
}

export function readRange(params: URLSearchParams): Range {
  const from = params.get("from");
  const to = params.get("to");
  if (from !== null && to !== null && parseDay(from) && parseDay(to)) {
    return from <= to ? { from, to } : { from: to, to: from };
  }
  const preset = PRESETS.find(({ id }) => id === params.get("range"));
  return preset ? { preset: preset.id } : DEFAULT_RANGE;
}

export function rangeParams(range: Range): Params {
  return "preset" in range
    ? { range: range.preset, from: null, to: null }
    : { range: null, from: range.from, to: range.to };
}

/** The address of a page, with what the dashboard keeps between pages. */
export function pageHref(path: string, search: string, more: Params = {}): string {
  const old = new URLSearchParams(search);
  const kept = new URLSearchParams();
  for (const name of KEPT) for (const value of old.getAll(name)) kept.append(name, value);
  return address(path, kept, more);
}

/** The page's parameters, and a function that changes some of them; each change is a step of the browser's history. */
export function useParams(): [URLSearchParams, (change: Params) => void] {
  const search = useSearch();
  const [path, navigate] = useLocation();
  const params = useMemo(() => new URLSearchParams(search), [search]);
  const update = useCallback(
    (change: Params) => navigate(address(path, new URLSearchParams(search), change)),
    [navigate, path, search],
  );
  return [params, update];
}

/** The end of the current hour; the page is drawn anew when it passes. */
function useHourEnd(zone: string): number {
  const [end, setEnd] = useState(() => nextHour(Date.now(), zone));
  useEffect(() => {
    const timer = setInterval(() => setEnd(nextHour(Date.now(), zone)), 10_000);
    return () => clearInterval(timer);
  }, [zone]);
  return end;
}

const WEEK_START = "week-start";

/** What the address says of the first day of weeks; else what the reader chose last in this browser. */
function useWeekStart(params: URLSearchParams): WeekStart {
  const said = params.get("week") ?? stored(localStorage, WEEK_START);
  return said === "sunday" ? "sunday" : "monday";
}

/** Keeps the choice for other visits, and gives its part of the address. */
export function weekStartParams(weekStart: WeekStart): Params {
  localStorage.setItem(`tallystick.${WEEK_START}`, weekStart);
  return { week: weekStart };
}

export function useView(): View {
  const [params] = useParams();
  const named = params.get("tz") ?? "";
  const zone = named && isZone(named) ? named : localZone();
  const hourEnd = useHourEnd(zone);
  const sites = useSites();
  const requested = params.get("site");
  const site = requested === "*" ? null : (requested ?? sites.names[0] ?? "default");
  const known = sites.names.length > 0 && !deniedSite(sites, requested);
  const range = useMemo(() => readRange(params), [params]);
  const all = "preset" in range && range.preset === "all";
  const first = useFirstEvent(site, all && !sites.loading);
  const firstAt = first.timestamp;
  const wanted = params.get("interval");
  const compared = params.get("compare") !== "0";
  const bots = params.get("bots") === "1";
  const weekStart = useWeekStart(params);
  return useMemo(() => {
    const resolved = resolve(range, zone, hourEnd - 1, weekStart);
    // All time has a beginning too, so that its series need not be longer than they have to.
    const span =
      all && firstAt !== null
        ? { since: instantOf(dayAt(Date.parse(firstAt), zone), 0, zone), until: hourEnd }
        : resolved;
    const intervals = intervalsFor(span);
    const interval = intervals.find((name) => name === wanted) ?? defaultInterval(span);
    const filters = params
      .getAll("filter")
      .map(fromText)
      .filter((filter) => filter !== null);
    const filter = toApi(filters);
    const everScope: QueryScope = {
      site_id: site,
      ...(filter ? { filter } : {}),
      ...(bots ? { bots: "include" } : {}),
    };
    return {
      site,
      range,
      zone,
      span,
      interval,
      intervals,
      filters,
      bots,
      everScope,
      weekStart,
      compared: compared && resolved !== null,
      compare: compared,
      now: hourEnd - 1,
      scope: { ...everScope, ...(span && periodOf(span)) },
      comparison: compared && resolved ? { compare: { range: rangeText(range) }, timezone: zone } : {},
      current: span === null || span.until > hourEnd - HOUR,
      ready: known && !(all && first.loading),
    };
  }, [
    site,
    range,
    zone,
    weekStart,
    hourEnd,
    all,
    firstAt,
    wanted,
    compared,
    bots,
    params,
    known,
    first.loading,
  ]);
}

function periodOf({ since, until }: Span): Period {
  return { since: new Date(since).toISOString(), until: new Date(until).toISOString() };
}

export function filterParams(filters: readonly Filter[]): Params {
  return { filter: filters.map(toText) };
}

export function botsParams(bots: boolean): Params {
  return { bots: bots ? "1" : null };
}
