import type { MetricKind, SessionMetric } from "../../api/query";
import type { Unit } from "../../format/number";

/** The numbers of the overview's cards: what the API calls them, and how they are read. */

export type FigureId = "users" | "events" | "sessions" | "bounce_rate" | "avg_duration" | "pages_per_session";

interface Common {
  id: FigureId;
  label: string;
  unit: Unit;
  /** Whether more is good news. */
  better: "more" | "less";
}

/** A figure of the events, or of the sessions that they make. */
export type Figure = Common &
  ({ of: "events"; metric: MetricKind } | { of: "sessions"; metric: SessionMetric });

export const FIGURES: readonly Figure[] = [
  { id: "events", label: "Events", unit: "number", better: "more", of: "events", metric: "events" },
  { id: "users", label: "Users", unit: "number", better: "more", of: "events", metric: "users" },
  { id: "sessions", label: "Sessions", unit: "number", better: "more", of: "sessions", metric: "sessions" },
  {
    id: "bounce_rate",
    label: "Bounce rate",
    unit: "share",
    better: "less",
    of: "sessions",
    metric: "bounce_rate",
  },
  {
    id: "avg_duration",
    label: "Visit duration",
    unit: "seconds",
    better: "more",
    of: "sessions",
    metric: "avg_duration",
  },
  {
    id: "pages_per_session",
    label: "Pages per session",
    unit: "number",
    better: "more",
    of: "sessions",
    metric: "pages_per_session",
  },
];

/** What the chart shows and the panels count at first: events are summed up already, users of each value are not. */
export const DEFAULT_FIGURE: FigureId = "events";

export function readFigure(text: string | null): Figure {
  const found = FIGURES.find(({ id }) => id === text) ?? FIGURES.find(({ id }) => id === DEFAULT_FIGURE);
  if (!found) throw new Error("there is no figure to begin with");
  return found;
}
