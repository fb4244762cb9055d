import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { request, requestBlob } from "./client";
import { useKey } from "./key";
import type { SqlQuery, SqlResult, SqlSchema } from "./types";
import { exactly } from "./digits";

/** Statements in SQL, as `POST /v1/sql` and `GET /v1/sql/schema` have them. */

export type FileFormat = "csv" | "excel" | "json" | "parquet";

export function useSqlSchema() {
  const { key } = useKey();
  return useQuery({
    queryKey: ["sql-schema", key],
    queryFn: ({ signal }) => request<SqlSchema>("/v1/sql/schema", { signal }),
    staleTime: 60_000,
  });
}

/** The answer to a statement. It is sent once, and again when the reader runs it again; null sends nothing. */
export function useSql(statement: SqlQuery | null) {
  const { key } = useKey();
  return useQuery({
    queryKey: ["sql", statement, key],
    queryFn: async ({ signal }): Promise<SqlResult> => {
      const answer = await requestBlob("/v1/sql", { method: "POST", body: statement, signal });
      return exactly(await answer.text()) as SqlResult;
    },
    enabled: statement !== null,
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    gcTime: 60_000,
    retry: false,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  });
}

/** The answer as a file; the server answers the statement anew for it. */
export const sqlFile = (statement: SqlQuery, format: FileFormat) =>
  requestBlob(`/v1/sql?format=${format}`, { method: "POST", body: statement });
