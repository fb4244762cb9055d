import type { Interval } from "../../api/query";
import { weekBegin, type WeekStart } from "../../scope/range";
import { dayAt, instantOf, offsetAt, plusDays, plusMonths } from "../../scope/zone";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** Many more than any chart can draw: a range without a beginning is not walked through for ever. */
const MOST = 20_000;

/** The beginnings of the buckets from `first` (itself one) up to `end`, which is not included. */
export function bucketsFrom(first: number, end: number, interval: Interval, zone: string): number[] {
  const found: number[] = [];
  for (let at = first; at < end && found.length < MOST; at = after(at, interval, zone)) found.push(at);
  return found;
}

/** The beginning of the bucket that an instant is in. */
export function bucketOf(
  instant: number,
  interval: Interval,
  zone: string,
  weekStart: WeekStart = "monday",
): number {
  if (interval === "minute" || interval === "hour") {
    const length = interval === "minute" ? MINUTE : HOUR;
    const offset = offsetAt(instant, zone);
    return Math.floor((instant + offset) / length) * length - offset;
  }
  const day = dayAt(instant, zone);
  if (interval === "month") return instantOf({ ...day, day: 1 }, 0, zone);
  if (interval === "day") return instantOf(day, 0, zone);
  return instantOf(weekBegin(day, weekStart), 0, zone);
}

function after(bucket: number, interval: Interval, zone: string): number {
  if (interval === "minute") return bucket + MINUTE;
  if (interval === "hour") return bucket + HOUR;
  const day = dayAt(bucket, zone);
  const next = interval === "month" ? plusMonths(day, 1) : plusDays(day, interval === "week" ? 7 : 1);
  return instantOf(next, 0, zone);
}
