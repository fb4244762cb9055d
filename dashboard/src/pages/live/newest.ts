import type { EventRow } from "../../api/types";
import { eventId } from "../../components/events/events";

/** How many events the page shows. */
export const MOST = 50;

/** The newest of both, each once, by their own time; of the same instant those that came last first. */
export function merged(shown: readonly EventRow[], arrived: readonly EventRow[], most = MOST): EventRow[] {
  const all = new Map<string, EventRow>();
  for (const event of [...arrived.toReversed(), ...shown]) {
    const id = eventId(event);
    if (!all.has(id)) all.set(id, event);
  }
  return [...all.values()].sort((a, b) => Date.parse(b.timestamp) - Date.parse(a.timestamp)).slice(0, most);
}
