import type { Outcome } from "./FunnelView";
import type { FunnelOrder, FunnelScope, QueryScope } from "../../api/query";
import { type Test, testFrom, testQuery, testText } from "../../components/events/tests";
import { isField } from "../../scope/filters";
import type { Params } from "../../scope/scope";

/** What the address says of the funnel. */

export const STEPS_MAX = 20;
export const ORDERS: readonly FunnelOrder[] = ["ordered", "strict", "any"];
export const TOPS = ["3", "5", "10"] as const;

export const UNITS = ["s", "min", "h", "d"] as const;
export type Unit = (typeof UNITS)[number];
const SECONDS: Record<Unit, number> = { s: 1, min: 60, h: 3600, d: 86_400 };
export const WINDOW_MAX = 366 * SECONDS.d;

export interface Window {
  number: number;
  unit: Unit;
}

/** The step and outcome whose users are listed. */
export interface ListedUsers {
  step: number;
  outcome: Outcome;
}

export interface Funnel {
  /** null: not chosen yet. */
  steps: Test[] | null;
  order: FunnelOrder;
  window: Window;
  by: string;
  top: (typeof TOPS)[number];
  listed: ListedUsers | null;
}

const USUAL: Window = { number: 7, unit: "d" };

export function readFunnel(params: URLSearchParams): Funnel {
  const steps = params.getAll("step").slice(0, STEPS_MAX).map(testFrom);
  const by = params.get("by") ?? "";
  return {
    steps: steps.length > 0 ? steps : null,
    order: ORDERS.find((order) => order === params.get("order")) ?? "ordered",
    window: windowFrom(params.get("window") ?? "") ?? USUAL,
    by: isField(by) ? by : "",
    top: TOPS.find((top) => top === params.get("top")) ?? "5",
    listed: usersFrom(params.get("people") ?? "", steps.length),
  };
}

/** Its part of the address; what is as usual is left out. */
export function funnelParams(change: Partial<Funnel>): Params {
  const params: Params = {};
  if (change.steps !== undefined) params["step"] = change.steps?.map(testText) ?? null;
  if (change.order !== undefined) params["order"] = change.order === "ordered" ? null : change.order;
  if (change.window !== undefined) {
    const text = windowText(change.window);
    params["window"] = text === windowText(USUAL) ? null : text;
  }
  if (change.by !== undefined) params["by"] = change.by || null;
  if (change.top !== undefined) params["top"] = change.top === "5" ? null : change.top;
  if (change.listed !== undefined)
    params["people"] = change.listed && `${change.listed.outcome}:${change.listed.step}`;
  return params;
}

export function windowText({ number, unit }: Window): string {
  return `${number}${unit}`;
}

/** `14d`; null when the API would not take it. */
export function windowFrom(text: string): Window | null {
  const match = /^(\d{1,8})(s|min|h|d)$/.exec(text);
  const unit = UNITS.find((one) => one === match?.[2]);
  if (!match || !unit) return null;
  const window = { number: Number(match[1]), unit };
  const seconds = windowSeconds(window);
  return seconds >= 1 && seconds <= WINDOW_MAX ? window : null;
}

export function windowSeconds({ number, unit }: Window): number {
  return number * SECONDS[unit];
}

function usersFrom(text: string, steps: number): ListedUsers | null {
  const match = /^(reached|dropped):(\d{1,2})$/.exec(text);
  if (!match) return null;
  const listed: ListedUsers = {
    outcome: match[1] === "dropped" ? "dropped" : "reached",
    step: Number(match[2]),
  };
  return listed.step >= (listed.outcome === "dropped" ? 2 : 1) && listed.step <= steps ? listed : null;
}

/** The part that queries for numbers and for users share. */
export function funnelScope(
  scope: QueryScope,
  steps: readonly Test[],
  { order, window }: Funnel,
): FunnelScope {
  return { ...scope, steps: steps.map(testQuery), order, window: windowSeconds(window) };
}

/** The steps with one of them at another place. */
export function moved<T>(steps: readonly T[], from: number, to: number): T[] {
  const left = steps.filter((_, index) => index !== from);
  const step = steps[from];
  return step === undefined ? [...steps] : [...left.slice(0, to), step, ...left.slice(to)];
}
