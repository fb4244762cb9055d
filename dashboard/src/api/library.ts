import { queryOptions, skipToken, useQuery } from "@tanstack/react-query";
import { request } from "./client";
import { type Answer, inTurn, type Query, REFRESH } from "./query";
import type {
  Board,
  BoardChange,
  BoardFields,
  BoardList,
  NewShare,
  QueryByKind,
  Report,
  ReportChange,
  ReportFields,
  ReportResult,
  RowByKind,
  SharedBoard,
  ShareFields,
  ShareList,
} from "./types";

/** Saved reports, boards and share links, as docs/use/reports.md describes them. */

/** A saved report; its query has no range, site and time zone, which the report keeps beside it. */
export interface SavedReport extends Omit<Report, "question"> {
  question: Query;
}

/** A shared board; of its reports the server sends what their charts are drawn with. */
export interface BoardWithReports extends Omit<SharedBoard, "reports"> {
  reports: SavedReport[];
}

/** The answer of a report with its query, told apart by `kind`. */
export type ReportAnswer = {
  [Kind in keyof QueryByKind]: Answer<RowByKind[Kind]> &
    Pick<ReportResult, "since" | "until"> & { kind: Kind; query: QueryByKind[Kind] };
}[keyof QueryByKind];

interface Collection<Item, Fields, Change> {
  read: (id: string, signal?: AbortSignal) => Promise<Item>;
  create: (fields: Fields) => Promise<Item>;
  /** Rejects with `changed` when another change was saved since `updated_at`. */
  change: (id: string, fields: Change) => Promise<Item>;
  remove: (id: string) => Promise<undefined>;
}

/** The requests that reports and boards have in common. */
function collection<Item, Fields, Change>(path: string): Collection<Item, Fields, Change> {
  const one = (id: string) => `${path}/${encodeURIComponent(id)}`;
  return {
    read: (id, signal) => request<Item>(one(id), { signal }),
    create: (fields) => request<Item>(path, { method: "POST", body: fields }),
    change: (id, fields) => request<Item>(one(id), { method: "PUT", body: fields }),
    remove: (id) => request<undefined>(one(id), { method: "DELETE" }),
  };
}

export const reports = collection<SavedReport, ReportFields, ReportChange>("/v1/reports");

export const boards = collection<Board, BoardFields, BoardChange>("/v1/boards");

export const shareBoard = (id: string, fields: ShareFields) =>
  request<NewShare>(`/v1/boards/${id}/shares`, { method: "POST", body: fields });

export const revokeShare = (id: string) => request<undefined>(`/v1/shares/${id}`, { method: "DELETE" });

export async function readShared(token: string, signal?: AbortSignal): Promise<BoardWithReports> {
  const shared = await request<SharedBoard>("/v1/shared", { token, signal });
  const reports = shared.reports.map((report) => ({
    ...report,
    question: report.question as unknown as Query,
    description: "",
    site_id: null,
    created_at: report.updated_at,
  }));
  return { ...shared, reports };
}

export const reportsOptions = queryOptions({
  queryKey: ["reports"],
  queryFn: ({ signal }) => request<{ reports: SavedReport[] }>("/v1/reports", { signal }),
  select: ({ reports }) => reports,
  refetchInterval: REFRESH,
});

export const reportOptions = (id: string | null) =>
  queryOptions({
    queryKey: ["report", id],
    queryFn: id === null ? skipToken : ({ signal }) => reports.read(id, signal),
  });

export const boardsOptions = queryOptions({
  queryKey: ["boards"],
  queryFn: ({ signal }) => request<BoardList>("/v1/boards", { signal }),
  select: ({ boards }) => boards,
});

export const boardOptions = (id: string) =>
  queryOptions({ queryKey: ["board", id], queryFn: ({ signal }) => boards.read(id, signal) });

export const sharesOptions = (board: string) =>
  queryOptions({
    queryKey: ["shares", board],
    queryFn: ({ signal }) => request<ShareList>(`/v1/boards/${board}/shares`, { signal }),
    select: ({ shares }) => shares,
    staleTime: 0, // the time of a link's last use is shown as it is now
  });

/** Who reads the reports of a board: the owner of a read key, or the visitor of a share link. */
export interface Reader {
  /** Different for each reader. It is not the token: the token stays out of the cache's keys. */
  id: string;
  /** The share link's token; absent: the tab's read key is sent. */
  token?: string;
}

export const KEY_READER: Reader = { id: "key" };

async function runReport(
  report: SavedReport,
  range: string | null,
  { token }: Reader,
  signal: AbortSignal,
): Promise<ReportAnswer> {
  const path = `${token === undefined ? "/v1/reports" : "/v1/shared/reports"}/${report.id}/run`;
  const body = range === null ? {} : { range };
  const answer = await inTurn(
    report.question,
    () =>
      request<ReportResult>(path, {
        method: "POST",
        body,
        signal,
        ...(token === undefined ? {} : { token }),
      }),
    signal,
  );
  // The server answers a query with rows of the query's kind.
  return { ...answer, kind: report.question.kind, query: report.question } as ReportAnswer;
}

/** The answer of a report, for its own range (null) or another. */
export function useReportAnswer(report: SavedReport, range: string | null, reader: Reader) {
  return useQuery({
    queryKey: ["run", reader.id, report.id, report.updated_at, range] as const,
    queryFn: ({ signal }) => runReport(report, range, reader, signal),
    refetchInterval: REFRESH,
    // The answer for another range of the same report has the same columns.
    placeholderData: (answer, previous) =>
      previous?.queryKey[2] === report.id && previous.queryKey[3] === report.updated_at ? answer : undefined,
  });
}
