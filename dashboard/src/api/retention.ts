import { queryOptions } from "@tanstack/react-query";
import { request } from "./client";
import type { RetentionChange, RetentionRules } from "./types";

/** For how long events are kept, as docs/run/operations.md describes it. */

export const retentionOptions = queryOptions({
  queryKey: ["retention"],
  queryFn: ({ signal }) => request<RetentionRules>("/v1/retention", { signal }),
});

/** What a site's rule is to be, or that it has none of its own. */
export type Rule =
  | {
      /** null: for ever. */
      days: number | null;
      /** Whether rollups stay when their events go; null: as on sites without a rule. */
      keep_rollups: boolean | null;
    }
  | "default";

/** Sets or clears a site's rule. With `dry_run` it only counts the events that are removed for it. */
export function changeRetention(site_id: string, rule: Rule, dry_run: boolean) {
  if (rule !== "default") {
    const body = { site_id, ...rule, dry_run };
    return request<RetentionChange>("/v1/retention", { method: "POST", body });
  }
  const params = new URLSearchParams({ site_id, dry_run: String(dry_run) });
  return request<RetentionChange>(`/v1/retention?${params.toString()}`, { method: "DELETE" });
}
