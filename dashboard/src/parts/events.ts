import { useInfiniteQuery } from "@tanstack/react-query";
import { ask } from "../api/client";
import type { EventRow, EventsQuestion } from "../api/types";

/** Single events, a page after the other. */
export function useEventPages(question: EventsQuestion | null) {
  const query = useInfiniteQuery({
    queryKey: ["pages", question],
    queryFn: ({ pageParam, signal }) => {
      if (question === null) throw new Error("nothing was asked");
      return ask({ ...question, ...(pageParam === null ? {} : { cursor: pageParam }) }, signal);
    },
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next_cursor,
    enabled: question !== null,
    staleTime: Infinity, // asked again when the reader says so: rows must not move while they are read
  });
  const pages = query.data?.pages ?? [];
  return {
    events: pages.flatMap((page) => page.rows),
    newest: pages[0],
    loading: question === null || query.isPending,
    error: query.error,
    fetching: query.isFetching,
    updatedAt: query.dataUpdatedAt,
    hasMore: query.hasNextPage,
    loadingMore: query.isFetchingNextPage,
    loadMore: () => void query.fetchNextPage(),
    refetch: () => void query.refetch(),
  };
}

/** A property's value on one line. */
export function shortValue(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

export function eventId(event: EventRow): string {
  return `${event.site_id} ${event.event_id}`;
}
