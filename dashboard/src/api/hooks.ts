import { QueryClient, useQuery } from "@tanstack/react-query";
import { ApiError, ask } from "./client";
import { useKey } from "./key";
import type {
  Answer,
  EventRow,
  EventsQuestion,
  KeyRow,
  KeysQuestion,
  MetricsQuestion,
  MetricsRow,
  PeopleQuestion,
  Person,
  PersonQuestion,
  PersonRow,
  Question,
  SessionsQuestion,
  SessionsRow,
  ValueRow,
  ValuesQuestion,
} from "./types";

/** Milliseconds between two answers to the same question about a range that reaches to now. */
export const REFRESH = 30_000;

export function makeQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 5_000,
        retry: (failures, error) => error instanceof ApiError && error.passing && failures < 2,
        retryDelay: (failures) => 500 * 2 ** failures,
      },
    },
  });
}

export interface Asked<Row> {
  answer: Answer<Row> | undefined;
  error: Error | null;
  /** There is no answer yet. */
  loading: boolean;
  /** The answer is that of another question, until this one's comes. */
  previous: boolean;
  updatedAt: number;
  retry: () => void;
}

interface Options {
  refresh?: number | false;
  /** Keep showing the answer to the question before (default). */
  keep?: boolean;
}

interface UseAnswer {
  (question: MetricsQuestion | null, options?: Options): Asked<MetricsRow>;
  (question: SessionsQuestion | null, options?: Options): Asked<SessionsRow>;
  (question: PeopleQuestion | null, options?: Options): Asked<PersonRow>;
  (question: PersonQuestion | null, options?: Options): Asked<Person>;
  (question: EventsQuestion | null, options?: Options): Asked<EventRow>;
  (question: KeysQuestion | null, options?: Options): Asked<KeyRow>;
  (question: ValuesQuestion | null, options?: Options): Asked<ValueRow>;
}

/** What an answer's rows look like, whichever events they are about. */
function shapeOf(question: unknown): string {
  const asked = (question ?? {}) as {
    [name in "kind" | "metrics" | "formulas" | "interval" | "breakdown" | "field" | "user_id"]?: unknown;
  };
  return JSON.stringify([
    asked.kind,
    asked.metrics,
    asked.formulas,
    asked.interval,
    asked.breakdown,
    asked.field,
    asked.user_id,
  ]);
}

/** The API's answer to a question; null asks nothing. */
export const useAnswer = ((question: Question | null, options: Options = {}): Asked<unknown> => {
  const query = useQuery<Answer<unknown>>({
    queryKey: ["ask", question],
    queryFn: ({ signal }) =>
      (ask as (question: unknown, signal: AbortSignal) => Promise<Answer<unknown>>)(question, signal),
    enabled: question !== null,
    refetchInterval: options.refresh ?? false,
    // Rows of another shape would be read wrongly: a field that they lack, a metric that they do not have.
    placeholderData: (answer, query) =>
      options.keep !== false && query && shapeOf(query.queryKey[1]) === shapeOf(question)
        ? answer
        : undefined,
  });
  return {
    answer: question === null ? undefined : query.data,
    error: query.error,
    loading: query.data === undefined && query.error === null,
    previous: query.isPlaceholderData,
    updatedAt: query.dataUpdatedAt,
    retry: () => void query.refetch(),
  };
}) as UseAnswer;

export interface Sites {
  /** The one with the most events first. */
  names: string[];
  /** The read key is for one site, whose name is not told. */
  restricted: boolean;
  loading: boolean;
  error: Error | null;
  retry: () => void;
}

const ALL_SITES: MetricsQuestion = {
  kind: "metrics",
  site_id: null,
  metrics: [{ kind: "events" }],
  breakdown: ["site_id"],
  top: 200,
};

export function useSites(): Sites {
  const { key } = useKey();
  const query = useQuery({
    queryKey: ["sites", key === null ? "" : key],
    queryFn: async ({ signal }) => {
      try {
        const { rows } = await ask(ALL_SITES, signal);
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
    names: query.data?.names ?? [],
    restricted: query.data?.restricted ?? false,
    loading: query.data === undefined,
    error: query.error,
    retry: () => void query.refetch(),
  };
}

/** When the site's first event happened; null when there is none, or while it is not known. */
export function useFirstEvent(site: string | null | undefined, enabled: boolean) {
  const question: EventsQuestion = {
    kind: "events",
    ascending: true,
    limit: 1,
    ...(site === undefined ? {} : { site_id: site }),
  };
  const { answer, loading } = useAnswer(enabled ? question : null, { keep: false });
  return { timestamp: answer?.rows[0]?.timestamp ?? null, loading: enabled && loading };
}

export function metricLabel(metric: { kind: string; property?: string; name?: string }): string {
  if (metric.name !== undefined) return metric.name;
  return metric.property === undefined ? metric.kind : `${metric.kind}(${metric.property})`;
}

export function numberIn(row: MetricsRow | undefined, label: string): number | null {
  const value = row?.[label];
  return typeof value === "number" ? value : null;
}

/** The numbers of the period before that stand beside a row's own, where the question compares. */
export function beforeOf(row: MetricsRow | undefined): MetricsRow | undefined {
  const before: unknown = row?.["previous"];
  return typeof before === "object" && before !== null ? (before as MetricsRow) : undefined;
}
