import { describe, expect, it } from "vitest";
import { costOf, QueryTurns } from "./turns";

/** Work that is under way until `end` is called. */
function work(order: string[], name: string) {
  let end = () => {};
  const ended = new Promise<void>((resolve) => (end = resolve));
  return {
    end,
    run: () => {
      order.push(name);
      return ended;
    },
  };
}

const soon = () => new Promise((resolve) => setTimeout(resolve));

describe("turns", () => {
  it("sends the cheapest first, of equal ones the first, and no more than so many", async () => {
    const order: string[] = [];
    const turns = new QueryTurns(2);
    const works = [3, 1, 0, 1].map((cost, index) => ({
      cost,
      ...work(order, `${cost}${"abcd"[index] ?? ""}`),
    }));
    const done = works.map((one) => turns.take(one.cost, one.run));
    await soon();
    expect(order).toEqual(["0c", "1b"]);
    works[2]?.end();
    await soon();
    expect(order).toEqual(["0c", "1b", "1d"]);
    works.forEach((one) => one.end());
    await Promise.all(done);
    expect(order).toEqual(["0c", "1b", "1d", "3a"]);
  });

  it("goes on when one fails", async () => {
    const turns = new QueryTurns(1);
    const failed = turns.take(0, () => Promise.reject(new Error("no")));
    const next = turns.take(0, () => Promise.resolve("yes"));
    await expect(failed).rejects.toThrow("no");
    await expect(next).resolves.toBe("yes");
  });

  it("forgets a work that was cancelled while it waited", async () => {
    const order: string[] = [];
    const turns = new QueryTurns(1);
    const first = work(order, "first");
    const given = new AbortController();
    const one = turns.take(0, first.run);
    const two = turns.take(0, work(order, "second").run, given.signal);
    await soon();
    given.abort();
    await expect(two).rejects.toThrow();
    first.end();
    await one;
    await soon();
    expect(order).toEqual(["first"]);
  });
});

describe("cost", () => {
  it("puts counts that are at hand before breakdowns, and sessions last", () => {
    const events = { kind: "metrics" as const, metrics: [{ kind: "events" as const }] };
    const costs = [
      costOf(events),
      costOf({ ...events, breakdown: ["name"] }),
      costOf({ kind: "keys" }),
      costOf({ ...events, breakdown: ["path"] }),
      costOf({ kind: "metrics", metrics: [{ kind: "users" }], breakdown: ["name"] }),
      costOf({ ...events, filter: { field: "path", op: "set" } }),
      costOf({ kind: "sessions" }),
      costOf({ kind: "sessions", breakdown: ["channel"] }),
    ];
    expect(costs).toEqual([0, 0, 1, 2, 2, 2, 3, 4]);
  });
});
