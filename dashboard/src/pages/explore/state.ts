import type { Metric } from "../../api/types";
import type { ChartKind } from "../../charts/TimeChart";
import { metricText, parseMetric } from "../../parts/metrics";
import { COLUMNS, PROPERTY } from "../../scope/filters";
import { type Params, useParams } from "../../scope/scope";

export type Shape = ChartKind | "table";

export const SHAPES: readonly Shape[] = ["line", "bar", "area", "table"];
export const TOPS = ["5", "10", "20"] as const;

export interface Exploration {
  metric: Metric;
  /** The field to break down by; empty: none. */
  by: string;
  top: (typeof TOPS)[number];
  shape: Shape;
}

export function readExploration(params: URLSearchParams): Exploration {
  const by = params.get("by") ?? "";
  const known = (COLUMNS as readonly string[]).includes(by) || (by.startsWith(PROPERTY) && by !== PROPERTY);
  return {
    metric: parseMetric(params.get("metric")),
    by: known ? by : "",
    top: TOPS.find((top) => top === params.get("top")) ?? "5",
    shape: SHAPES.find((shape) => shape === params.get("chart")) ?? "line",
  };
}

/** Exploration's part of the address; what is as usual is left out. */
export function explorationParams(change: Partial<Exploration>): Params {
  const params: Params = {};
  if (change.metric) {
    const text = metricText(change.metric);
    params["metric"] = text === "events" ? null : text;
  }
  if (change.by !== undefined) params["by"] = change.by || null;
  if (change.top !== undefined) params["top"] = change.top === "5" ? null : change.top;
  if (change.shape !== undefined) params["chart"] = change.shape === "line" ? null : change.shape;
  return params;
}

export function useExploration(): [Exploration, (change: Partial<Exploration>) => void] {
  const [params, update] = useParams();
  return [readExploration(params), (change) => update(explorationParams(change))];
}
