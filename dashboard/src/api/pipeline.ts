import { request } from "./client";
import type {
  DeadLetterDetail,
  DeadLetterList,
  DeadLetterSummary,
  DropReport,
  EnrichmentStatus,
  PipelineStatus,
  Replay,
  ReplayReport,
  Verification,
} from "./types";

/** The state of the pipeline, and its dead letters. */

export const fetchPipeline = (signal?: AbortSignal) => request<PipelineStatus>("/v1/pipeline", { signal });

/** Which facts the server adds to events; any reader may ask. */
export const fetchEnrichment = (signal?: AbortSignal) =>
  request<EnrichmentStatus>("/v1/enrichment", { signal });

export const verify = () => request<Verification>("/v1/verify");

export const fetchDeadLetters = (
  state: DeadLetterSummary["state"] | "all",
  after: number,
  signal?: AbortSignal,
) => request<DeadLetterList>(`/v1/dead?state=${state}&limit=50&after=${after}`, { signal });

export const fetchDeadLetter = (id: number, signal?: AbortSignal) =>
  request<DeadLetterDetail>(`/v1/dead/${id}`, { signal });

/** `original` replaces the text of the one event that `ids` names. */
export const replayDeadLetters = (ids: number[], original?: string) => {
  const body: Replay = original === undefined ? { ids } : { ids, original };
  return request<ReplayReport>("/v1/dead/replay", { method: "POST", body });
};

export const dropDeadLetters = (ids: number[]) =>
  request<DropReport>("/v1/dead/drop", { method: "POST", body: { ids } });
