import type { MetricsQuestion, Question } from "./types";

/**
 * Questions take turns. The server answers a few at a time and lets the others wait: the cheap ones are sent first, so
 * that the page's first numbers do not wait behind its dearest ones.
 */

/** How many questions are under way: two of them run on a server with usual settings, and one is there for the next. */
export const AT_A_TIME = 3;

const ROLLUP_FIELDS = ["name", "source", "site_id"];

/** The order of questions that are asked at the same moment: 0 goes first. */
export function costOf(question: Question | { kind: string }): number {
  if ("metrics" in question && question.kind === "metrics") return costOfMetrics(question);
  return (
    { events: 1, keys: 1, values: 2, people: 2, sessions: "breakdown" in question ? 4 : 3 }[question.kind] ??
    3
  );
}

function costOfMetrics({ metrics, filter, breakdown = [] }: MetricsQuestion): number {
  const counted = metrics.every((one) => one.kind === "events" || one.kind === "users");
  if (!counted) return 3;
  const atHand =
    filter === undefined &&
    metrics.every((one) => one.filter === undefined && (one.kind === "events" || breakdown.length === 0));
  return atHand && breakdown.every((field) => ROLLUP_FIELDS.includes(field)) ? 0 : 2;
}

interface Turn {
  cost: number;
  start: () => void;
}

/** A row of people with a few counters: the cheapest of those who wait is next. */
export class Turns {
  private waiting: Turn[] = [];
  private running = 0;
  private calling = false;

  constructor(private readonly most: number) {}

  /** Runs `work` when it is its turn. Rejects as `work` does, or with the signal's reason when it is aborted before. */
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

  /** After what is being asked right now, all of it: the order among them counts. */
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
    : new DOMException("not asked any more", "AbortError");
}
