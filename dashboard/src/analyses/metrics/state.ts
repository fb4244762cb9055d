import { type ChosenMetric, isAdditive, isCount, metricName, metricText, parseMetric } from "./metrics";
import type { QueryFilter } from "../../api/query";
import type { Formula, Metric } from "../../api/types";
import type { ChartKind } from "../../charts/TimeChart";
import { ANY, type Test, testFrom, testLabel, testText } from "../../components/events/tests";
import { type Filter, isField, toApi } from "../../scope/filters";
import { type Params, useParams } from "../../scope/scope";

/** What the address says of the exploration: what is measured, of which events, and how it is shown. */

export type Shape = ChartKind | "table" | "number";

export const SHAPES: readonly Shape[] = ["line", "bar", "area", "table", "number"];
export const TOPS = ["5", "10", "20"] as const;

/** Letters of the measures, as formulas name them; there are as many measures at most. */
export const LETTERS = ["A", "B", "C", "D", "E"] as const;
/** The formula's column in an answer. */
export const FORMULA = "formula";

/** A metric of the events that are meant, beside the page's own filters. */
export interface Measure {
  metric: ChosenMetric;
  of: Test;
}

export interface Exploration {
  /** At least one. */
  measures: Measure[];
  /** Of the measures' letters; empty: none. */
  formula: string;
  /** Which measure is broken down, where there are several and no formula. */
  shown: number;
  /** The field to break down by; empty: none. */
  by: string;
  top: (typeof TOPS)[number];
  shape: Shape;
}

export function readExploration(params: URLSearchParams): Exploration {
  const by = params.get("by") ?? "";
  const of = params.getAll("of");
  const metrics = params.getAll("metric").slice(0, LETTERS.length);
  const measures = (metrics.length > 0 ? metrics : [null]).map((text, index) => ({
    metric: parseMetric(text),
    of: testFrom(of[index] ?? ""),
  }));
  const shown = Number(params.get("show") ?? 0);
  return {
    measures,
    formula: params.get("formula")?.trim() ?? "",
    shown: measures[shown] ? shown : 0,
    by: isField(by) ? by : "",
    top: TOPS.find((top) => top === params.get("top")) ?? "5",
    shape: SHAPES.find((shape) => shape === params.get("chart")) ?? "line",
  };
}

/** Exploration's part of the address; what is as usual is left out. */
export function explorationParams(change: Partial<Exploration>): Params {
  const params: Params = {};
  if (change.measures) {
    const metrics = change.measures.map(({ metric }) => metricText(metric));
    const of = change.measures.map((measure) => testText(measure.of));
    params["metric"] = metrics.length === 1 && metrics[0] === "events" ? null : metrics;
    params["of"] = of.some((text) => text !== "") ? of : null;
  }
  if (change.formula !== undefined) params["formula"] = change.formula || null;
  if (change.shown !== undefined) params["show"] = change.shown === 0 ? null : String(change.shown);
  if (change.by !== undefined) params["by"] = change.by || null;
  if (change.top !== undefined) params["top"] = change.top === "5" ? null : change.top;
  if (change.shape !== undefined) params["chart"] = change.shape === "line" ? null : change.shape;
  return params;
}

export function useExploration(): [Exploration, (change: Partial<Exploration>) => void] {
  const [params, update] = useParams();
  return [readExploration(params), (change) => update(explorationParams(change))];
}

/** Without the measure at this place, which a formula cannot name any more. */
export function without({ measures, shown }: Exploration, index: number): Partial<Exploration> {
  const left = measures.filter((_, place) => place !== index);
  return { measures: left, formula: "", shown: shown < index ? shown : Math.max(0, shown - 1) };
}

/** `Events`, or with what is meant: `Users: signup, plan is pro`. */
export function measureName({ metric, of }: Measure): string {
  const any = of.name === "" && of.filters.length === 0;
  return any ? metricName(metric) : `${metricName(metric)}: ${testLabel(of)}`;
}

function filterOf({ name, filters }: Test): QueryFilter | undefined {
  const named: Filter[] = name === "" ? [] : [{ field: "name", op: "=", value: name }];
  return toApi([...named, ...filters]);
}

/** One number of each row: a measure, or the formula. */
export interface Column {
  /** What the API calls it. */
  label: string;
  name: string;
  /** What the parts of a breakdown add up to is the whole. */
  additive: boolean;
  /** What it is where nothing happened: 0, or nothing. */
  zero: 0 | null;
}

/** The queries, and which part of their answers is shown. */
export function columnsOf({ measures, formula, shown, by }: Exploration): {
  metrics: Metric[];
  formulas: Formula[];
  columns: Column[];
} {
  const metrics = measures.map(({ metric, of }, index): Metric => {
    const filter = filterOf(of);
    return { ...metric, name: letterOf(index), ...(filter ? { filter } : {}) };
  });
  if (formula !== "") {
    const column = { label: FORMULA, name: formula, additive: false, zero: null };
    return { metrics, formulas: [{ name: FORMULA, expression: formula }], columns: [column] };
  }
  const columns = measures.map(({ metric, of }, index): Column => ({
    label: letterOf(index),
    name: measureName({ metric, of }),
    additive: isAdditive(metric),
    zero: isCount(metric) ? 0 : null,
  }));
  const one = columns[shown];
  const only = metrics[shown];
  return by !== "" && one && only
    ? { metrics: [only], formulas: [], columns: [one] }
    : { metrics, formulas: [], columns };
}

function letterOf(index: number): string {
  return LETTERS[index] ?? "A";
}

export const NEW_MEASURE: Measure = { metric: { kind: "events" }, of: ANY };
