import {
  infiniteQueryOptions,
  queryOptions,
  skipToken,
  useInfiniteQuery,
  useQuery,
} from "@tanstack/react-query";
import { request } from "./client";
import { costOf, QueryTurns, TURNS_AT_ONCE } from "./turns";
import type {
  EventsQuery,
  FunnelQuery,
  FunnelUsersQuery,
  Metric,
  MetricsQuery,
  PeopleQuery,
  QueryByKind,
  Result,
  RetentionQuery,
  RowByKind,
  SessionsQuery,
} from "./types";

/** Queries of `POST /v1/query`: each carries its key, its fetcher and the type of its rows. */

export type Query = QueryByKind[keyof QueryByKind];

export type RowOf<Q extends Query> = RowByKind[Q["kind"]];

/** Which events a query is about; without `site_id` the site of the read key, with null every site. */
export type QueryScope = Pick<MetricsQuery, "site_id" | "since" | "until" | "filter" | "bots">;

export type QueryFilter = NonNullable<MetricsQuery["filter"]>;

export type Interval = NonNullable<MetricsQuery["interval"]>;

export type MetricKind = NonNullable<Metric["kind"]>;

export type SessionMetric = NonNullable<SessionsQuery["metrics"]>[number];

export type FunnelOrder = NonNullable<FunnelQuery["order"]>;

/** What queries about a funnel's numbers and about its users have in common; the window is in seconds. */
export type FunnelScope = QueryScope & Required<Pick<FunnelQuery, "steps" | "order" | "window">>;

/** The length of the periods that retention, lifecycle and stickiness count in. */
export type PeriodLength = NonNullable<RetentionQuery["interval"]>;

export type UserOrder = NonNullable<PeopleQuery["order"]>;

export interface Answer<Row> extends Omit<Result, "rows"> {
  rows: Row[];
}

/** Milliseconds after which a query about a range that reaches to now is sent again. */
export const REFRESH = 30_000;

const turns = new QueryTurns(TURNS_AT_ONCE);

/** Do `work` when it is the turn of a query of this cost. */
export function inTurn<T>(query: { kind: string }, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  return turns.take(costOf(query), work, signal);
}

/** POST /v1/query, when it is the query's turn. */
export function fetchAnswer<Q extends Query>(query: Q, signal?: AbortSignal): Promise<Answer<RowOf<Q>>> {
  return inTurn(
    query,
    () => request<Answer<RowOf<Q>>>("/v1/query", { method: "POST", body: query, signal }),
    signal,
  );
}

/** Key and fetcher of a query; null sends nothing. */
export function answerOptions<Q extends Query>(query: Q | null) {
  return queryOptions({
    queryKey: ["answer", query] as const,
    queryFn: query === null ? skipToken : ({ signal }) => fetchAnswer(query, signal),
  });
}

export interface QueryState<Row> {
  answer: Answer<Row> | undefined;
  error: Error | null;
  /** There is no answer yet. */
  loading: boolean;
  /** The answer is the one to the previous query, shown until this query's comes. */
  previous: boolean;
  /** Milliseconds since the epoch. */
  updatedAt: number;
  retry: () => void;
}

type Alike = (before: Query, now: Query) => boolean;

/** The rows of both have the same columns, whichever events they are about. */
export const sameColumns: Alike = (before, now) => columnsOf(before) === columnsOf(now);

/** The queries differ in their range at most. */
export const sameButRange: Alike = (before, now) => withoutRange(before) === withoutRange(now);

function columnsOf(query: Query): string {
  const { kind, metrics, formulas, interval, breakdown, field, user_id } = {
    metrics: undefined,
    formulas: undefined,
    interval: undefined,
    breakdown: undefined,
    field: undefined,
    user_id: undefined,
    ...query,
  };
  return JSON.stringify([kind, metrics, formulas, interval, breakdown, field, user_id]);
}

function withoutRange(query: Query): string {
  return JSON.stringify({ ...query, since: null, until: null });
}

interface Options {
  /** Milliseconds until the query is sent again. */
  refresh?: number | false;
  /** Which previous query's answer is shown while this one loads; null: none. */
  keep?: Alike | null;
}

/** The answer to a query; null sends nothing. */
export function useAnswer<Q extends Query>(
  query: Q | null,
  { refresh = false, keep = sameColumns }: Options = {},
): QueryState<RowOf<Q>> {
  const result = useQuery({
    ...answerOptions(query),
    refetchInterval: refresh,
    placeholderData: (answer, previous) => {
      const before = previous?.queryKey[1];
      // Rows with other columns would be read wrongly.
      return keep && before && query && keep(before, query) ? answer : undefined;
    },
  });
  return {
    answer: query === null ? undefined : result.data,
    error: result.error,
    loading: result.data === undefined && result.error === null,
    previous: result.isPlaceholderData,
    updatedAt: result.dataUpdatedAt,
    retry: () => void result.refetch(),
  };
}

/** Queries whose answers come in pages. */
type PagedQuery = EventsQuery | PeopleQuery | FunnelUsersQuery;

const FIRST_PAGE = "";

function pagesOptions<Q extends PagedQuery>(query: Q | null) {
  return infiniteQueryOptions({
    queryKey: ["pages", query] as const,
    queryFn:
      query === null
        ? skipToken
        : ({ pageParam, signal }) =>
            fetchAnswer<Q>(pageParam === FIRST_PAGE ? query : { ...query, cursor: pageParam }, signal),
    initialPageParam: FIRST_PAGE,
    getNextPageParam: (last) => last.next_cursor,
    staleTime: Infinity, // rows must not move while someone reads them: only the reader reloads them
  });
}

/** The rows of a query, page by page; null sends nothing. */
export function usePages<Q extends PagedQuery>(query: Q | null) {
  const result = useInfiniteQuery(pagesOptions(query));
  return {
    rows: result.data?.pages.flatMap((page) => page.rows) ?? [],
    first: result.data?.pages[0],
    loading: query === null || result.isPending,
    error: result.error,
    fetching: result.isFetching,
    updatedAt: result.dataUpdatedAt,
    hasMore: result.hasNextPage,
    loadingMore: result.isFetchingNextPage,
    loadMore: () => void result.fetchNextPage(),
    refetch: () => void result.refetch(),
  };
}
