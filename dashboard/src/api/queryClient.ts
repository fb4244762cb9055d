import { QueryClient } from "@tanstack/react-query";
import { ApiError } from "./client";

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
