import { useQuery } from "@tanstack/react-query";
import { useKey } from "./key";
import { fetchAnswer, REFRESH, useAnswer } from "./query";
import { namedSites } from "./rights";
import { numberIn } from "./rows";
import { useSession } from "./session";
import type { EventsQuery, MetricsQuery, MetricsRow } from "./types";

export interface Sites {
  /** The site with the most events first; of an account or key for some sites, those. */
  names: string[];
  /** Whether the caller may read every site, and so all of them at once. */
  every: boolean;
  loading: boolean;
  error: Error | null;
  retry: () => void;
}

const ALL_SITES: MetricsQuery = {
  kind: "metrics",
  site_id: null,
  metrics: [{ kind: "events" }],
  breakdown: ["site_id"],
  limit: 100_000, // all of them: a ranking by the server has 1,000 at most
  bots: "include", // a site of bots alone is one, too
};

/** The sites that have events; for a caller who may read some sites only, those. */
export function useSites(): Sites {
  const { key } = useKey();
  const session = useSession();
  const named = session.data && namedSites(session.data.may.read);
  const result = useQuery({
    queryKey: ["sites", key === null ? "" : key],
    queryFn: async ({ signal }) => {
      const { rows } = await fetchAnswer(ALL_SITES, signal);
      const events = (row: MetricsRow) => numberIn(row, "events") ?? 0;
      const largest = [...rows].sort((one, other) => events(other) - events(one));
      return largest.map((row) => String(row["site_id"]));
    },
    enabled: named === null,
    refetchInterval: (query) => (query.state.data?.length === 0 ? 3_000 : REFRESH * 2),
  });
  if (named) {
    const retry = () => void session.refetch();
    return { names: named, every: false, loading: false, error: null, retry };
  }
  return {
    names: result.data ?? [],
    every: true,
    loading: result.data === undefined,
    error: result.error ?? session.error,
    retry: () => void (session.error ? session.refetch() : result.refetch()),
  };
}

/** Whether the address names a site, or all of them (`*`), that the caller may not read. */
export function deniedSite({ every, names }: Sites, requested: string | null): boolean {
  return !every && requested !== null && !names.includes(requested);
}

/** The time of the site's first event; null when there is none, or while it loads. */
export function useFirstEvent(site: string | null, enabled: boolean) {
  const query: EventsQuery = {
    kind: "events",
    ascending: true,
    limit: 1,
    site_id: site,
  };
  const { answer, loading } = useAnswer(enabled ? query : null, { keep: null });
  return { timestamp: answer?.rows[0]?.timestamp ?? null, loading: enabled && loading };
}
