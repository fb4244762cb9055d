import { useQuery } from "@tanstack/react-query";
import { inTurn, request } from "./client";
import { REFRESH } from "./hooks";
import type { Answer } from "./types";

/** Saved reports, boards and share links, as docs/use/reports.md has them. */

/** A question as it is kept: without its range, site and time zone. */
export type SavedQuestion = { kind: string } & Record<string, unknown>;

export interface ReportFields {
  name: string;
  description: string;
  /** Absent: the site of the read key; null: every site. */
  site_id?: string | null;
  question: SavedQuestion;
  range: string;
  timezone: string;
  view: Record<string, unknown>;
}

export interface Report extends ReportFields {
  id: string;
  site_id: string | null;
  created_at: string;
  updated_at: string;
}

export interface Tile {
  report_id: string;
  width: number;
  height: number;
}

export interface BoardFields {
  name: string;
  description: string;
  site_id?: string | null;
  tiles: Tile[];
}

export interface Board extends BoardFields {
  id: string;
  site_id: string | null;
  created_at: string;
  updated_at: string;
}

export interface Share {
  id: string;
  name: string;
  created_at: string;
  expires_at: string | null;
  last_used_at: string | null;
}

/** With what is told once. */
export interface NewShare extends Share {
  token: string;
  url: string;
}

export interface SharedBoard {
  board: Board;
  reports: Report[];
  expires_at: string | null;
}

export interface RunAnswer extends Answer<Record<string, unknown>> {
  since: string | null;
  until: string | null;
}

export const saveReport = (fields: ReportFields) =>
  request<Report>("/v1/reports", { method: "POST", body: fields });

/** Rejects with `changed` when somebody else was faster. */
export const changeReport = (id: string, fields: ReportFields & { updated_at: string }) =>
  request<Report>(`/v1/reports/${id}`, { method: "PUT", body: fields });

export const deleteReport = (id: string) => request<undefined>(`/v1/reports/${id}`, { method: "DELETE" });

export const readBoard = (id: string, signal?: AbortSignal) =>
  request<Board>(`/v1/boards/${encodeURIComponent(id)}`, { signal });

export const saveBoard = (fields: BoardFields) =>
  request<Board>("/v1/boards", { method: "POST", body: fields });

/** Likewise. */
export const changeBoard = (id: string, fields: BoardFields & { updated_at: string }) =>
  request<Board>(`/v1/boards/${id}`, { method: "PUT", body: fields });

export const deleteBoard = (id: string) => request<undefined>(`/v1/boards/${id}`, { method: "DELETE" });

export const shareBoard = (id: string, fields: { name: string; expires_at?: string }) =>
  request<NewShare>(`/v1/boards/${id}/shares`, { method: "POST", body: fields });

export const revokeShare = (id: string) => request<undefined>(`/v1/shares/${id}`, { method: "DELETE" });

export const readShared = (token: string, signal?: AbortSignal) =>
  request<SharedBoard>("/v1/shared", { token, signal });

export function useReports(enabled = true) {
  return useQuery({
    queryKey: ["reports"],
    queryFn: ({ signal }) => request<{ reports: Report[] }>("/v1/reports", { signal }),
    select: ({ reports }) => reports,
    refetchInterval: REFRESH,
    enabled,
  });
}

export function useReport(id: string | null) {
  return useQuery({
    queryKey: ["report", id],
    queryFn: ({ signal }) => request<Report>(`/v1/reports/${encodeURIComponent(id ?? "")}`, { signal }),
    enabled: id !== null,
  });
}

export function useBoards(enabled = true) {
  return useQuery({
    queryKey: ["boards"],
    queryFn: ({ signal }) => request<{ boards: Board[] }>("/v1/boards", { signal }),
    select: ({ boards }) => boards,
    enabled,
  });
}

export function useBoard(id: string) {
  return useQuery({
    queryKey: ["board", id],
    queryFn: ({ signal }) => readBoard(id, signal),
    refetchInterval: REFRESH,
  });
}

export function useShares(board: string) {
  return useQuery({
    queryKey: ["shares", board],
    queryFn: ({ signal }) => request<{ shares: Share[] }>(`/v1/boards/${board}/shares`, { signal }),
    select: ({ shares }) => shares,
    staleTime: 0, // when a link was last used is looked at, not remembered
  });
}

/** Who asks for the reports of a board: somebody with a read key, or with a share link. */
export interface Asker {
  /** Apart from all others; not the token, which stays out of what is kept of answers. */
  id: string;
  /** The share link's; absent: the read key of the tab. */
  token?: string;
}

export const BY_KEY: Asker = { id: "key" };

function runReport(report: Report, range: string | null, { token }: Asker, signal: AbortSignal) {
  const path = token === undefined ? "/v1/reports" : "/v1/shared/reports";
  const body = range === null ? {} : { range };
  const sent = { method: "POST" as const, body, signal, ...(token === undefined ? {} : { token }) };
  return inTurn(report.question, () => request<RunAnswer>(`${path}/${report.id}/run`, sent), signal);
}

/** The answer of a report, for its own range (null) or another. */
export function useRun(report: Report, range: string | null, asker: Asker) {
  return useQuery({
    queryKey: ["run", asker.id, report.id, report.updated_at, range],
    queryFn: ({ signal }) => runReport(report, range, asker, signal),
    refetchInterval: REFRESH,
    // Another range of the same question: its rows look alike.
    placeholderData: (answer, query) =>
      query?.queryKey[2] === report.id && query.queryKey[3] === report.updated_at ? answer : undefined,
  });
}
