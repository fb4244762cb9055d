import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { ask } from "./client";
import type { Asked } from "./hooks";
import type { Answer, ApiFilter, Scope } from "./types";

/** Questions about persons and their ways, as docs/use/analyses.md has them. */

/** Which events are meant: of a name, that pass a filter; neither: any. */
export interface EventTest {
  name?: string;
  filter?: ApiFilter;
}

export type FunnelOrder = "ordered" | "strict" | "any";

export interface FunnelScope extends Scope {
  steps: EventTest[];
  order: FunnelOrder;
  /** Seconds. */
  window: number;
}

export interface FunnelQuestion extends FunnelScope {
  kind: "funnel";
  breakdown?: string;
  top?: number;
}

/** A step of everybody, or of a group: then with the breakdown's field, and `other` for all the rest. */
export interface FunnelRow {
  step: number;
  name: string | null;
  users: number;
  from_first: number | null;
  from_previous: number | null;
  median_seconds: number | null;
  p90_seconds: number | null;
  other?: boolean;
  [field: string]: string | number | boolean | null | undefined;
}

export interface FunnelUsersQuestion extends FunnelScope {
  kind: "funnel_users";
  step: number;
  outcome: "reached" | "dropped";
  limit?: number;
}

export interface FunnelUserRow {
  user_id: string;
  steps: number;
  first_at: string;
  last_at: string;
}

export type Period = "day" | "week" | "month";

interface PersonsScope extends Scope {
  timezone: string;
}

export interface RetentionQuestion extends PersonsScope {
  kind: "retention";
  mode: "first_time" | "recurring";
  interval: Period;
  periods: number;
  start: EventTest;
  returning: EventTest;
}

export interface RetentionRow {
  cohort: string;
  users: number;
  returned: number[];
  shares: (number | null)[];
  /** How many of the periods are over. */
  complete: number;
}

export interface LifecycleQuestion extends PersonsScope {
  kind: "lifecycle";
  interval: Period;
}

export interface LifecycleRow {
  bucket: string;
  new: number;
  returning: number;
  resurrecting: number;
  dormant: number;
  complete: boolean;
}

export interface StickinessQuestion extends PersonsScope {
  kind: "stickiness";
  interval: Period;
}

export interface StickinessRow {
  periods: number;
  users: number;
  at_least: number;
  share: number | null;
}

export interface ActiveUsersQuestion extends PersonsScope {
  kind: "active_users";
}

export interface ActiveUsersRow {
  bucket: string;
  dau: number;
  wau: number;
  mau: number;
  dau_wau: number | null;
  dau_mau: number | null;
  complete: boolean;
}

export interface PathsQuestion extends Scope {
  kind: "paths";
  by: "page" | "event";
  start?: string;
  end?: string;
  steps: number;
  merge: boolean;
  top: number;
}

/** Sessions that went from one page or event to the next; null: there the session ended, or with `end` began. */
export interface PathRow {
  step: number;
  source: string | null;
  target: string | null;
  sessions: number;
  other?: boolean;
}

interface UseAnalysis {
  (question: FunnelQuestion | null, refresh?: number | false): Asked<FunnelRow>;
  (question: RetentionQuestion | null, refresh?: number | false): Asked<RetentionRow>;
  (question: LifecycleQuestion | null, refresh?: number | false): Asked<LifecycleRow>;
  (question: StickinessQuestion | null, refresh?: number | false): Asked<StickinessRow>;
  (question: ActiveUsersQuestion | null, refresh?: number | false): Asked<ActiveUsersRow>;
  (question: PathsQuestion | null, refresh?: number | false): Asked<PathRow>;
}

type AskAnything = (question: unknown, signal?: AbortSignal) => Promise<Answer<unknown>>;

/** The question without the range: an answer about another range can be shown until this one's comes. */
function apartFromRange(question: unknown): string {
  return JSON.stringify({ ...(question as Scope), since: null, until: null });
}

/** The API's answer to such a question; null asks nothing. */
export const useAnalysis = ((question: Scope | null, refresh: number | false = false): Asked<unknown> => {
  const query = useQuery<Answer<unknown>>({
    queryKey: ["ask", question],
    queryFn: ({ signal }) => (ask as AskAnything)(question, signal),
    enabled: question !== null,
    refetchInterval: refresh,
    placeholderData: (answer, query) =>
      query && apartFromRange(query.queryKey[1]) === apartFromRange(question) ? answer : undefined,
  });
  return {
    answer: question === null ? undefined : query.data,
    error: query.error,
    loading: query.data === undefined && query.error === null,
    previous: query.isPlaceholderData,
    updatedAt: query.dataUpdatedAt,
    retry: () => void query.refetch(),
  };
}) as UseAnalysis;

/** Who did a step or dropped before it, a page after the other. */
export function useFunnelUsers(question: FunnelUsersQuestion) {
  const query = useInfiniteQuery({
    queryKey: ["funnel users", question],
    queryFn: ({ pageParam, signal }) =>
      (ask as AskAnything)(
        { ...question, ...(pageParam === null ? {} : { cursor: pageParam }) },
        signal,
      ) as Promise<Answer<FunnelUserRow>>,
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next_cursor,
    staleTime: Infinity, // rows must not move while they are read
  });
  return {
    users: (query.data?.pages ?? []).flatMap((page) => page.rows),
    loading: query.isPending,
    error: query.error,
    hasMore: query.hasNextPage,
    loadingMore: query.isFetchingNextPage,
    loadMore: () => void query.fetchNextPage(),
    retry: () => void query.refetch(),
  };
}
