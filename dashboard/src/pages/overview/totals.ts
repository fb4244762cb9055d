import { type QueryState, REFRESH, useAnswer } from "../../api/query";
import type { MetricsRow } from "../../api/types";
import { type Figure, FIGURES } from "./figures";
import type { View } from "../../scope/scope";

export interface Totals {
  events: QueryState<MetricsRow>;
  sessions: QueryState<MetricsRow>;
  /** The answer that holds a figure. */
  of: (figure: Figure) => QueryState<MetricsRow>;
}

const OF_EVENTS = FIGURES.flatMap((figure) => (figure.of === "events" ? [figure.metric] : []));
const OF_SESSIONS = FIGURES.flatMap((figure) => (figure.of === "sessions" ? [figure.metric] : []));

/** The cards' numbers: two queries, so that the events' numbers do not wait for the slower sessions. */
export function useTotals(view: View): Totals {
  const refresh = view.current ? REFRESH : false;
  const shared = { ...view.scope, ...view.comparison };
  const metrics = OF_EVENTS.map((kind) => ({ kind }));
  const events = useAnswer(view.ready ? { kind: "metrics", metrics, ...shared } : null, { refresh });
  const sessions = useAnswer(view.ready ? { kind: "sessions", metrics: OF_SESSIONS, ...shared } : null, {
    refresh,
  });
  return { events, sessions, of: (figure) => (figure.of === "events" ? events : sessions) };
}
