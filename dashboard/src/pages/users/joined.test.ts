import { describe, expect, it } from "vitest";
import type { JoinedId } from "../../api/types";
import { joinedTo } from "./joined";

function id(user_id: string, linked_to: string | null, site_id = "shop"): JoinedId {
  return {
    user_id,
    site_id,
    linked_to,
    linked_at: null,
    event_id: null,
    first_seen: null,
    last_seen: null,
    events: 1,
  };
}

describe("ids that leave together", () => {
  it("are those joined to the id, directly or not, on its site", () => {
    const phone = id("phone", "ann");
    const ids = [
      id("ann", null),
      phone,
      id("tablet", "ann"),
      id("watch", "phone"),
      id("ring", "watch"),
      id("app", "phone", "docs"),
    ];
    expect(joinedTo(phone, ids).map(({ user_id }) => user_id)).toEqual(["watch", "ring"]);
    expect(joinedTo(id("tablet", "ann"), ids)).toEqual([]);
  });
});
