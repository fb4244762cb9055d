import { expect, it } from "vitest";
import type { EventRow } from "../../api/types";
import { merged } from "./newest";

function event(id: string, second: number): EventRow {
  const at = `2026-06-01T10:00:${String(second).padStart(2, "0")}Z`;
  return {
    event_id: id,
    site_id: "shop",
    name: id,
    timestamp: at,
    received_at: at,
    user_id: null,
    session_id: null,
    source: "",
    path: null,
    properties: {},
  };
}

it("puts what came on top, once, and keeps no more than so many", () => {
  const shown = [event("b", 2), event("a", 1)];
  const names = merged(shown, [event("b", 2), event("c", 3), event("d", 3)], 3).map(({ name }) => name);
  expect(names).toEqual(["d", "c", "b"]);
});

it("puts a late one where its time is", () => {
  const names = merged([event("c", 9), event("a", 1)], [event("b", 5)]).map(({ name }) => name);
  expect(names).toEqual(["c", "b", "a"]);
});
