import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { exactly } from "../format/digits";
import { requestBlob, request } from "./client";
import { useKey } from "./key";

/** Statements in SQL, as `POST /v1/sql` and `GET /v1/sql/schema` have them. */

export interface SqlColumn {
  name: string;
  type: string;
}

export interface SqlView {
  name: string;
  description: string;
  columns: (SqlColumn & { description: string })[];
}

export interface SqlSchema {
  enabled: boolean;
  dialect: "duckdb" | "postgres";
  views: SqlView[];
  examples: { title: string; sql: string }[];
}

export interface SqlAnswer {
  columns: SqlColumn[];
  rows: unknown[][];
  truncated: boolean;
  elapsed_ms: number;
}

export interface Statement {
  sql: string;
  /** Absent: every site that the key may read. */
  site_id?: string;
}

export type FileFormat = "csv" | "json" | "parquet";

export function useSqlSchema() {
  const { key } = useKey();
  return useQuery({
    queryKey: ["sql-schema", key],
    queryFn: ({ signal }) => request<SqlSchema>("/v1/sql/schema", { signal }),
    staleTime: 60_000,
  });
}

/** The answer to a statement, asked once: only running it again asks again. null asks nothing. */
export function useSql(statement: Statement | null) {
  const { key } = useKey();
  return useQuery({
    queryKey: ["sql", statement, key],
    queryFn: async ({ signal }): Promise<SqlAnswer> => {
      const answer = await requestBlob("/v1/sql", { method: "POST", body: statement, signal });
      return exactly(await answer.text()) as SqlAnswer;
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
export const sqlFile = (statement: Statement, format: FileFormat) =>
  requestBlob(`/v1/sql?format=${format}`, { method: "POST", body: statement });
