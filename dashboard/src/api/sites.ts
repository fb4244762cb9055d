import { useQuery } from "@tanstack/react-query";
import { ApiError } from "./client";
import { useKey } from "./key";
import { fetchAnswer, REFRESH, useAnswer } from "./query";
import type { EventsQuery, MetricsQuery } from "./types";

export interface Sites {
  /** The site with the most events first. */
  names: string[];
  /** The read key is for one site, whose name the server does not give. */
  restricted: boolean;
  loading: boolean;
  error: Error | null;
  retry: () => void;
}

const ALL_SITES: MetricsQuery = {
  kind: "metrics",
  site_id: null,
  metrics: [{ kind: "events" }],
  breakdown: ["site_id"],
  top: 200,
};

/** The sites that have events. */
export function useSites(): Sites {
  const { key } = useKey();
  const result = useQuery({
    queryKey: ["sites", key === null ? "" : key],
    queryFn: async ({ signal }) => {
      try {
        const { rows } = await fetchAnswer(ALL_SITES, signal);
        return { names: rows.map((row) => String(row["site_id"])), restricted: false };
      } catch (error) {
        if (error instanceof ApiError && error.status === 403 && error.code === "forbidden") {
          return { names: [], restricted: true };
        }
        throw error;
      }
    },
    refetchInterval: (query) => (query.state.data?.names.length === 0 ? 3_000 : REFRESH * 2),
  });
  return {
    names: result.data?.names ?? [],
    restricted: result.data?.restricted ?? false,
    loading: result.data === undefined,
    error: result.error,
    retry: () => void result.refetch(),
  };
}

/** The time of the site's first event; null when there is none, or while it loads. */
export function useFirstEvent(site: string | null | undefined, enabled: boolean) {
  const query: EventsQuery = {
    kind: "events",
    ascending: true,
    limit: 1,
    ...(site === undefined ? {} : { site_id: site }),
  };
  const { answer, loading } = useAnswer(enabled ? query : null, { keep: null });
  return { timestamp: answer?.rows[0]?.timestamp ?? null, loading: enabled && loading };
}
