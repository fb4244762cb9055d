/** Calendar arithmetic in an IANA time zone, by what Intl knows of it. */

export interface Day {
  year: number;
  month: number;
  day: number;
}

const HOUR = 3_600_000;
const formatters = new Map<string, Intl.DateTimeFormat>();

function formatter(zone: string): Intl.DateTimeFormat {
  let found = formatters.get(zone);
  if (!found) {
    found = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    });
    formatters.set(zone, found);
  }
  return found;
}

/** Milliseconds that the zone's clock is ahead of UTC at this instant. */
export function offsetAt(instant: number, zone: string): number {
  const part: Record<string, number> = {};
  for (const { type, value } of formatter(zone).formatToParts(instant)) part[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(instant / 1000) * 1000;
}

/** The instant at which the zone's clock shows this time; one that a change skips is taken right after it. */
export function instantOf(day: Day, hour: number, zone: string): number {
  const wall = Date.UTC(day.year, day.month - 1, day.day, hour);
  const before = wall - offsetAt(wall - 24 * HOUR, zone);
  const after = wall - offsetAt(wall + 24 * HOUR, zone);
  const shows = (instant: number) => instant + offsetAt(instant, zone) === wall;
  return !shows(before) && shows(after) ? after : before;
}

export function dayAt(instant: number, zone: string): Day {
  const wall = new Date(instant + offsetAt(instant, zone));
  return { year: wall.getUTCFullYear(), month: wall.getUTCMonth() + 1, day: wall.getUTCDate() };
}

export function plusDays({ year, month, day }: Day, days: number): Day {
  return fromUtc(Date.UTC(year, month - 1, day + days));
}

/** The same day of another month, or that month's last one. */
export function plusMonths({ year, month, day }: Day, months: number): Day {
  const last = new Date(Date.UTC(year, month + months, 0)).getUTCDate();
  return fromUtc(Date.UTC(year, month - 1 + months, Math.min(day, last)));
}

export function daysBetween(from: Day, to: Day): number {
  const utc = ({ year, month, day }: Day) => Date.UTC(year, month - 1, day);
  return Math.round((utc(to) - utc(from)) / (24 * HOUR));
}

export function dayText({ year, month, day }: Day): string {
  return `${String(year).padStart(4, "0")}-${String(month).padStart(2, "0")}-${String(day).padStart(2, "0")}`;
}

/** `2026-11-21`, or null when that is no day. */
export function parseDay(text: string): Day | null {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  if (!match) return null;
  const day = { year: Number(match[1]), month: Number(match[2]), day: Number(match[3]) };
  return day.year >= 1000 && dayText(fromUtc(Date.UTC(day.year, day.month - 1, day.day))) === text
    ? day
    : null;
}

export function isZone(name: string): boolean {
  try {
    formatter(name);
    return true;
  } catch {
    return false;
  }
}

export function localZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

export function zones(): string[] {
  const all = Intl.supportedValuesOf("timeZone");
  return all.includes("UTC") ? all : ["UTC", ...all];
}

function fromUtc(instant: number): Day {
  const date = new Date(instant);
  return { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() };
}
