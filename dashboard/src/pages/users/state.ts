import type { UserOrder } from "../../api/query";
import type { Params } from "../../scope/scope";

/** What the address says of the list: in which order, and which ids it is searched for. */
export interface Listing {
  order: UserOrder;
  ascending: boolean;
  search: string;
}

const ORDERS: readonly UserOrder[] = ["last_seen", "first_seen", "events", "user_id"];

export function readListing(params: URLSearchParams): Listing {
  const order = ORDERS.find((one) => one === params.get("order")) ?? "last_seen";
  return { order, ascending: params.get("ascending") === "1", search: params.get("search") ?? "" };
}

/** Its part of the address; what is as usual is left out. */
export function listingParams({ order, ascending, search }: Listing): Params {
  return {
    order: order === "last_seen" ? null : order,
    ascending: ascending ? "1" : null,
    search: search || null,
  };
}

/** What a click on a column means: its usual direction, or the other one. Names go up, what is counted goes down. */
export function sorted(listing: Listing, order: UserOrder): Listing {
  const ascending = listing.order === order ? !listing.ascending : order === "user_id";
  return { ...listing, order, ascending };
}
