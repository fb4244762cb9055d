import { useInfiniteQuery } from "@tanstack/react-query";
import { ask } from "../api/client";
import type { Answer, EventRow, EventsQuestion, PeopleQuestion, PersonRow } from "../api/types";

interface Pages<Row> {
  rows: Row[];
  loading: boolean;
  error: Error | null;
  fetching: boolean;
  updatedAt: number;
  hasMore: boolean;
  loadingMore: boolean;
  loadMore: () => void;
  refetch: () => void;
}

interface UsePages {
  (question: EventsQuestion | null): Pages<EventRow>;
  (question: PeopleQuestion | null): Pages<PersonRow>;
}

/** Single events, or users, a page after the other; null asks nothing. */
export const usePages = ((question: EventsQuestion | PeopleQuestion | null): Pages<unknown> => {
  const query = useInfiniteQuery({
    queryKey: ["pages", question],
    queryFn: ({ pageParam, signal }) => {
      if (question === null) throw new Error("nothing was asked");
      const page = { ...question, ...(pageParam === null ? {} : { cursor: pageParam }) };
      return (ask as (question: unknown, signal: AbortSignal) => Promise<Answer<unknown>>)(page, signal);
    },
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next_cursor,
    enabled: question !== null,
    staleTime: Infinity, // asked again when the reader says so: rows must not move while they are read
  });
  return {
    rows: query.data?.pages.flatMap((page) => page.rows) ?? [],
    loading: question === null || query.isPending,
    error: query.error,
    fetching: query.isFetching,
    updatedAt: query.dataUpdatedAt,
    hasMore: query.hasNextPage,
    loadingMore: query.isFetchingNextPage,
    loadMore: () => void query.fetchNextPage(),
    refetch: () => void query.refetch(),
  };
}) as UsePages;

/** A property's value on one line. */
export function shortValue(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

export function eventId(event: EventRow): string {
  return `${event.site_id} ${event.event_id}`;
}
