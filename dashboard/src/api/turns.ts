import type { MetricsQuery } from "./types";

/**
 * Queries take turns. The server runs a few at a time and lets the others wait, so the cheap ones are sent first: the
 * page's first numbers do not wait for its slowest ones.
 */

/** How many queries are under way: a server with default settings runs two of them, and the third is ready to follow. */
export const TURNS_AT_ONCE = 3;

/** Fields whose counts the server keeps in its rollup. */
const ROLLUP_FIELDS = ["name", "source", "site_id"];

const COST_BY_KIND: Record<string, number> = { events: 1, keys: 1, values: 2, people: 2 };
const OTHER_COST = 3;

/** The order of queries that are sent at the same moment: 0 goes first. */
export function costOf(query: MetricsQuery | { kind: string; breakdown?: unknown }): number {
  if (isMetrics(query)) return costOfMetrics(query);
  if (query.kind === "sessions") return "breakdown" in query ? 4 : 3;
  return COST_BY_KIND[query.kind] ?? OTHER_COST;
}

function isMetrics(query: MetricsQuery | { kind: string }): query is MetricsQuery {
  return query.kind === "metrics";
}

function costOfMetrics({ metrics = [], filter, breakdown = [] }: MetricsQuery): number {
  const counted = metrics.every((one) => one.kind === "events" || one.kind === "users");
  if (!counted) return 3;
  const inRollup =
    filter === undefined &&
    metrics.every((one) => one.filter === undefined && (one.kind === "events" || breakdown.length === 0));
  return inRollup && breakdown.every((field) => ROLLUP_FIELDS.includes(field)) ? 0 : 2;
}

interface Turn {
  cost: number;
  start: () => void;
}

/** A waiting line: `most` works run at a time, and the cheapest of the waiting ones runs next. */
export class QueryTurns {
  private waiting: Turn[] = [];
  private running = 0;
  private calling = false;

  constructor(private readonly most: number) {}

  /** Run `work` in its turn. Rejects as `work` does, or with the signal's reason when it is aborted before. */
  async take<T>(cost: number, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.turn(cost, signal);
    try {
      return await work();
    } finally {
      this.running -= 1;
      this.call();
    }
  }

  private turn(cost: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const turn: Turn = {
        cost,
        start: () => {
          signal?.removeEventListener("abort", leave);
          resolve();
        },
      };
      const leave = () => {
        this.waiting = this.waiting.filter((one) => one !== turn);
        reject(reasonOf(signal));
      };
      if (signal?.aborted) {
        leave();
        return;
      }
      signal?.addEventListener("abort", leave, { once: true });
      this.waiting.push(turn);
      this.call();
    });
  }

  /** Start works in a microtask, so that all queries of this moment are in the line before the cheapest is chosen. */
  private call(): void {
    if (this.calling) return;
    this.calling = true;
    queueMicrotask(() => {
      this.calling = false;
      while (this.running < this.most && this.waiting.length > 0) {
        const next = this.waiting.reduce((best, one) => (one.cost < best.cost ? one : best));
        this.waiting = this.waiting.filter((one) => one !== next);
        this.running += 1;
        next.start();
      }
    });
  }
}

function reasonOf(signal: AbortSignal | undefined): Error {
  return signal?.reason instanceof Error
    ? signal.reason
    : new DOMException("the query was cancelled", "AbortError");
}
