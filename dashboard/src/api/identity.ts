import { request } from "./client";
import type { IdentitySplit } from "./types";

/** Takes an id, and those that were joined to it, out of its person. It needs the right to erase on the site. */
export const splitIdentity = (site_id: string, user_id: string) =>
  request<IdentitySplit>("/v1/identity/split", { method: "POST", body: { site_id, user_id } });
