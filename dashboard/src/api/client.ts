import { currentKey, keyRefused } from "./key";
import { type Message, reader } from "./sse";
import { AT_A_TIME, costOf, Turns } from "./turns";
import type {
  Answer,
  DeadLetter,
  DeadLetterDetail,
  DeadState,
  EventRow,
  EventsQuestion,
  KeyRow,
  KeysQuestion,
  MetricsQuestion,
  MetricsRow,
  NotDone,
  PeopleQuestion,
  Person,
  PersonQuestion,
  PersonRow,
  Pipeline,
  Question,
  SessionsQuestion,
  SessionsRow,
  ValueRow,
  ValuesQuestion,
  Verification,
} from "./types";

/** What the API said instead of an answer; `message` is its sentence for people. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = "ApiError";
  }

  /** Whether the same request may succeed a moment later. */
  get passing(): boolean {
    return this.status === 0 || this.status === 503;
  }
}

interface Sent {
  method?: "GET" | "POST" | "PUT" | "DELETE";
  body?: unknown;
  signal?: AbortSignal | undefined;
  /** Of a share link, instead of the read key. */
  token?: string;
}

/** What the API answers; undefined where it answers nothing. */
export async function request<T>(path: string, sent: Sent = {}): Promise<T> {
  const response = await respond(path, sent, "application/json");
  return (response.status === 204 ? undefined : await response.json()) as T;
}

/** What the API answers, as it came: numbers with all their digits, files. */
export async function requestBlob(path: string, sent: Sent = {}): Promise<Blob> {
  return (await respond(path, sent, "*/*")).blob();
}

/** The response, when it is a good one. */
async function respond(
  path: string,
  { method = "GET", body, signal, token }: Sent,
  accept: string,
): Promise<Response> {
  const key = token ?? currentKey();
  const headers: Record<string, string> = { Accept: accept };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key !== null) headers["Authorization"] = `Bearer ${key}`;
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      signal: signal ?? null,
      credentials: "omit",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "unreachable", "The server cannot be reached.");
  }
  if (response.ok) return response;
  if (response.status === 401 && token === undefined) keyRefused(key);
  throw await refusal(response);
}

async function refusal(response: Response): Promise<ApiError> {
  try {
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    return new ApiError(response.status, error.code, error.message);
  } catch {
    return new ApiError(response.status, "unknown", `The server answered with status ${response.status}.`);
  }
}

interface Ask {
  (question: MetricsQuestion, signal?: AbortSignal): Promise<Answer<MetricsRow>>;
  (question: SessionsQuestion, signal?: AbortSignal): Promise<Answer<SessionsRow>>;
  (question: PeopleQuestion, signal?: AbortSignal): Promise<Answer<PersonRow>>;
  (question: PersonQuestion, signal?: AbortSignal): Promise<Answer<Person>>;
  (question: EventsQuestion, signal?: AbortSignal): Promise<Answer<EventRow>>;
  (question: KeysQuestion, signal?: AbortSignal): Promise<Answer<KeyRow>>;
  (question: ValuesQuestion, signal?: AbortSignal): Promise<Answer<ValueRow>>;
}

const turns = new Turns(AT_A_TIME);

/** Another request that costs the server as much as this question. */
export function inTurn<T>(
  question: { kind: string },
  work: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  return turns.take(costOf(question), work, signal);
}

/** POST /v1/query, when it is the question's turn. */
export const ask = ((question: Question, signal?: AbortSignal) =>
  turns.take(
    costOf(question),
    () => request("/v1/query", { method: "POST", body: question, signal }),
    signal,
  )) as Ask;

export const pipeline = (signal?: AbortSignal) => request<Pipeline>("/v1/pipeline", { signal });

export const verify = () => request<Verification>("/v1/verify");

export const deadLetters = (state: DeadState | "all", after: number, signal?: AbortSignal) =>
  request<{ dead: DeadLetter[]; next_after: number | null }>(
    `/v1/dead?state=${state}&limit=50&after=${after}`,
    {
      signal,
    },
  );

export const deadLetter = (id: number, signal?: AbortSignal) =>
  request<DeadLetterDetail>(`/v1/dead/${id}`, { signal });

export const replayDead = (ids: number[], original?: string) =>
  request<{ replayed: number[]; receipt: string | null; not_replayed: NotDone[] }>("/v1/dead/replay", {
    method: "POST",
    body: original === undefined ? { ids } : { ids, original },
  });

export const dropDead = (ids: number[]) =>
  request<{ dropped: number[]; not_dropped: NotDone[] }>("/v1/dead/drop", { method: "POST", body: { ids } });

/**
 * GET /v1/live until the stream ends or nothing came for `silence` milliseconds; the server says something every 15
 * seconds. Rejects when there is no stream, or it tears.
 */
export async function listen(
  site: string | null | undefined,
  tell: (message: Message) => void,
  signal: AbortSignal,
  silence = 40_000,
): Promise<void> {
  const named = site === undefined ? "" : `?${new URLSearchParams({ site_id: site ?? "*" }).toString()}`;
  const response = await respond(`/v1/live${named}`, { signal }, "text/event-stream");
  if (!response.body) return;
  const pieces = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const read = reader();
  for (;;) {
    const timer = setTimeout(() => void pieces.cancel(), silence);
    try {
      const { done, value } = await pieces.read();
      if (done) return;
      read(value).forEach(tell);
    } finally {
      clearTimeout(timer);
    }
  }
}
