import type { Interval } from "../api/query";

/** Instants as text, always in a named time zone. */

const cache = new Map<string, Intl.DateTimeFormat>();

function formatted(instant: string | number, zone: string, options: Intl.DateTimeFormatOptions): string {
  const name = zone + JSON.stringify(options);
  let format = cache.get(name);
  if (!format) {
    format = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone, hourCycle: "h23" });
    cache.set(name, format);
  }
  return format.format(typeof instant === "string" ? Date.parse(instant) : instant);
}

/** A bucket on the axis. */
export function tick(bucket: string, interval: Interval, zone: string): string {
  switch (interval) {
    case "minute":
      return formatted(bucket, zone, { hour: "2-digit", minute: "2-digit" });
    case "hour": {
      const hour = formatted(bucket, zone, { hour: "2-digit", minute: "2-digit" });
      return hour === "00:00" ? formatted(bucket, zone, { day: "numeric", month: "short" }) : hour;
    }
    case "day":
    case "week":
      return formatted(bucket, zone, { day: "numeric", month: "short" });
    case "month":
      return formatted(bucket, zone, { month: "short", year: "2-digit" });
  }
}

/** A bucket by itself, such as in a tooltip. */
export function bucketLabel(bucket: string, interval: Interval, zone: string): string {
  switch (interval) {
    case "minute":
    case "hour":
      return formatted(bucket, zone, {
        weekday: "short",
        day: "numeric",
        month: "short",
        hour: "2-digit",
        minute: "2-digit",
      });
    case "day":
      return formatted(bucket, zone, { weekday: "short", day: "numeric", month: "short", year: "numeric" });
    case "week":
      return `Week of ${formatted(bucket, zone, { day: "numeric", month: "short", year: "numeric" })}`;
    case "month":
      return formatted(bucket, zone, { month: "long", year: "numeric" });
  }
}

/** 21 Nov, 09:46:12 */
export function moment(instant: string | number, zone: string): string {
  return formatted(instant, zone, {
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
}

export function clock(instant: string | number, zone: string): string {
  return formatted(instant, zone, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

export function longDay(instant: string | number, zone: string): string {
  return formatted(instant, zone, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
}
