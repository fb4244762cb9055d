import type { Result } from "../../api/types";
import { longDay } from "../../format/time";

export type Begun = Partial<Pick<Result, "events_from">>;

/** The latest of the moments from which answers have events; null: all of them cover their range. */
export function eventsFrom(answers: readonly (Begun | undefined)[]): string | null {
  const found = answers.flatMap((answer) => answer?.events_from ?? []);
  return found.sort((one, other) => Date.parse(one) - Date.parse(other)).at(-1) ?? null;
}

/** Says which events were removed, where a figure misses them. */
export function removedText(from: string): string {
  return `events of before ${longDay(from, "UTC")} were removed`;
}

/** The same as a line of its own; nothing where no answer misses any. */
export function EventsFrom({ of }: { of: readonly (Begun | undefined)[] }) {
  const from = eventsFrom(of);
  if (from === null) return null;
  const said = removedText(from);
  return <p className="events-from">{`${said.charAt(0).toUpperCase()}${said.slice(1)}.`}</p>;
}
