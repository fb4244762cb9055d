import { useEffect, useState } from "react";
import { ApiError, listen } from "../../api/client";
import { parse } from "../../api/digits";
import { useKey } from "../../api/key";
import { backoff } from "../../api/sse";
import type { EventRow } from "../../api/types";
import { merged } from "./newest";

export interface Heard {
  /** Whether events come by themselves now; `ended`: the stream is away and tried again. */
  state: "connecting" | "open" | "ended";
  /** What came since the page was opened, the newest first. */
  events: EventRow[];
  /** How many more were stored than the stream had room for. */
  leftOut: number;
  /** How often the stream was opened: what was missed before that can be queried. */
  opened: number;
}

const NOTHING: Heard = { state: "connecting", events: [], leftOut: 0, opened: 0 };

/** The events that the server stores, from its stream. An ended stream is opened again after growing pauses. */
export function useLive(site: string | null, active: boolean): Heard {
  const { key } = useKey();
  const [heard, setHeard] = useState<Heard & { site?: string | null }>(NOTHING);
  useEffect(() => {
    if (!active) return;
    const given = new AbortController();
    void follow(site, given.signal, (change) =>
      setHeard((before) => {
        const kept = before.site === site ? before : NOTHING;
        return { ...change(kept), site };
      }),
    );
    return () => given.abort();
  }, [site, active, key]);
  // The events of the previous site are dropped when the site changes.
  return heard.site === site ? heard : NOTHING;
}

type Change = (heard: Heard) => Heard;

async function follow(
  site: string | null,
  signal: AbortSignal,
  set: (change: Change) => void,
): Promise<void> {
  const gone = () => signal.aborted;
  let tries = 0;
  set((heard) => ({ ...heard, state: "connecting" }));
  while (!gone()) {
    const again = await listen(
      site,
      ({ event, data }) => {
        if (event === "open") tries = 0;
        if (!gone()) set(after(event, parse(data)));
      },
      signal,
    ).then(
      () => true,
      // A refused stream is not opened again: the queries that replace it show the error.
      (error: unknown) => !(error instanceof ApiError) || error.passing,
    );
    if (gone()) return;
    set((heard) => ({ ...heard, state: "ended" }));
    if (!again) return;
    await pause(backoff(tries), signal);
    tries += 1;
  }
}

function after(event: string, data: unknown): Change {
  switch (event) {
    case "open":
      return (heard) => ({ ...heard, state: "open", opened: heard.opened + 1 });
    case "event":
      return (heard) => ({ ...heard, events: merged(heard.events, [data as EventRow]) });
    case "left_out":
      return (heard) => ({ ...heard, leftOut: heard.leftOut + (data as { events: number }).events });
    default:
      return (heard) => heard;
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
