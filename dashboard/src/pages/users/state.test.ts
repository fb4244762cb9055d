import { describe, expect, it } from "vitest";
import { type Listing, listingParams, readListing, sorted } from "./state";

const USUAL: Listing = { order: "last_seen", ascending: false, search: "" };

describe("the list of users", () => {
  it("is in the address", () => {
    const listing: Listing = { order: "events", ascending: true, search: "a&b" };
    const params = new URLSearchParams(listingParams(listing) as Record<string, string>);
    expect(readListing(params)).toEqual(listing);
    expect(listingParams(USUAL)).toEqual({ order: null, ascending: null, search: null });
    expect(readListing(new URLSearchParams("order=age"))).toEqual(USUAL);
  });

  it("is turned round by a second click", () => {
    expect(sorted(USUAL, "last_seen").ascending).toBe(true);
    expect(sorted(USUAL, "events")).toEqual({ ...USUAL, order: "events" });
    expect(sorted(USUAL, "user_id")).toEqual({ ...USUAL, order: "user_id", ascending: true });
  });
});
