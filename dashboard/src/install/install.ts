import { useQuery } from "@tanstack/react-query";
import { request } from "../api/client";
import { useKey } from "../api/key";
import { answerOptions } from "../api/query";
import type { EventsQuery, InstallStatus } from "../api/types";

/** Milliseconds between two looks for the first event. */
const LOOK = 3_000;

/** What a client has to know to send events; undefined while it loads. */
export function useInstall(): InstallStatus | undefined {
  const { key } = useKey();
  return useQuery({
    queryKey: ["install", key ?? ""],
    queryFn: ({ signal }) => request<InstallStatus>("/v1/install", { signal }),
    staleTime: Infinity,
  }).data;
}

/** The newest event of a site, of bots too; looked for again and again. */
export function useNewest(site: string | null, enabled = true) {
  const query: EventsQuery = {
    kind: "events",
    limit: 1,
    bots: "include",
    site_id: site,
  };
  const { data } = useQuery({ ...answerOptions(enabled ? query : null), refetchInterval: LOOK });
  return { known: data !== undefined, event: enabled ? data?.rows[0] : undefined };
}
