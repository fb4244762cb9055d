import { stringify } from "../../api/digits";
import type { EventRow } from "../../api/types";

/** A property's value on one line. */
export function shortValue(value: unknown): string {
  return typeof value === "string" ? value : stringify(value);
}

/** The key of an event in a list; two sites may use the same event id. */
export function eventId(event: EventRow): string {
  return `${event.site_id} ${event.event_id}`;
}
