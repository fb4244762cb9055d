import { request, requestBlob } from "./client";
import type { Erased } from "./types";

/** Everything about one person, and its erasure. The one needs the right to export, the other the right to erase. */

/** Events, dead letters and joined ids as a ZIP file. */
export const personFile = (site_id: string, user_id: string) =>
  requestBlob(`/v1/person-data?${new URLSearchParams({ site_id, user_id }).toString()}`);

/** Removes a person; with `dry_run` it only counts. */
export const erasePerson = (site_id: string, user_id: string, dry_run: boolean) =>
  request<Erased>("/v1/erase", { method: "POST", body: { site_id, user_id, dry_run } });
