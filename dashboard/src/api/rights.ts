import type { May } from "./types";

/** Which sites a caller has a right for, as `GET /v1/session` lists them: `*` stands for every site. */

export type SiteRight = Exclude<keyof May, "admin" | "operate">;

const EVERY = "*";

/** Whether the list covers every site. */
export const coversAll = (sites: readonly string[]) => sites.includes(EVERY);

/** Whether the right holds for the site; null: for every site; undefined: for any. */
export function may(rights: May, right: SiteRight, site: string | null | undefined): boolean {
  const sites = rights[right];
  if (coversAll(sites)) return true;
  return site === undefined ? sites.length > 0 : site !== null && sites.includes(site);
}

/** The sites that are named one by one; null: every site. */
export const namedSites = (sites: readonly string[]) => (coversAll(sites) ? null : [...sites]);
