import { type Asked, REFRESH, useAnswer } from "../../api/hooks";
import type { MetricKind, MetricsQuestion, MetricsRow, Scope } from "../../api/types";
import type { View } from "../../scope/scope";

export interface Totals {
  counts: Asked<MetricsRow>;
  /** The answer that holds a metric, of the range and of the one before. */
  of: (kind: MetricKind) => { now: Asked<MetricsRow>; before: Asked<MetricsRow> };
}

/** Events and users come from sums that are at hand; the other two are asked apart, so that nobody waits for them. */
export function useTotals(view: View): Totals {
  const refresh = view.current ? REFRESH : false;
  const question = (scope: Scope, kinds: MetricKind[]): MetricsQuestion => ({
    kind: "metrics",
    metrics: kinds.map((kind) => ({ kind })),
    ...scope,
  });
  const ask = (scope: Scope | null, kinds: MetricKind[]) =>
    scope && view.ready ? question(scope, kinds) : null;
  const counts = useAnswer(ask(view.scope, ["events", "users"]), { refresh });
  const countsBefore = useAnswer(ask(view.previousScope, ["events", "users"]));
  const sessions = useAnswer(ask(view.scope, ["sessions", "events_per_user"]), { refresh });
  const sessionsBefore = useAnswer(ask(view.previousScope, ["sessions", "events_per_user"]));
  return {
    counts,
    of: (kind) =>
      kind === "events" || kind === "users"
        ? { now: counts, before: countsBefore }
        : { now: sessions, before: sessionsBefore },
  };
}
