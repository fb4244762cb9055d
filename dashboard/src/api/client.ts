import { csrfToken } from "./csrf";
import { parse, stringify } from "./digits";
import { accessRefused, currentKey } from "./key";
import { type Message, reader } from "./sse";
import type { ErrorAnswer } from "./types";

/** An error answer of the API; `message` is its sentence for a reader. */
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

  /** Whether the session, or the key, is not what it was: it ended, or another tab began one. */
  get endsSession(): boolean {
    return this.status === 401 || this.code === "csrf";
  }
}

interface Sent {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  body?: unknown;
  signal?: AbortSignal | undefined;
  /** A share link's token, sent instead of the read key or the session's cookie. */
  token?: string;
  /** The request begins a session: it sends no key, and its refusal does not say that the session has ended. */
  entering?: boolean;
}

/**
 * The JSON body of the response, undefined when it has none; the caller says its type, as api/types.ts gives it.
 *
 * @throws ApiError when the server cannot be reached or answers with an error.
 */
export async function request<T>(path: string, sent: Sent = {}): Promise<T> {
  const response = await respond(path, sent, "application/json");
  return (response.status === 204 ? undefined : parse(await response.text())) as T;
}

/** The response's bytes: for files, and for JSON whose numbers have more digits than a double holds. */
export async function requestBlob(path: string, sent: Sent = {}): Promise<Blob> {
  return (await respond(path, sent, "*/*")).blob();
}

/** The response, unless its status is an error. */
async function respond(
  path: string,
  { method = "GET", body, signal, token, entering = false }: Sent,
  accept: string,
): Promise<Response> {
  const key = entering ? null : (token ?? currentKey());
  const csrf = csrfToken();
  const headers: Record<string, string> = { Accept: accept };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key !== null) headers["Authorization"] = `Bearer ${key}`;
  else if (method !== "GET" && csrf !== null) headers["X-CSRF-Token"] = csrf;
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? null : stringify(body),
      signal: signal ?? null,
      // A key or a link's token stands for itself: with the cookie, too, it would be unclear whose request it is.
      credentials: key === null ? "same-origin" : "omit",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "unreachable", "The server cannot be reached.");
  }
  if (response.ok) return response;
  const error = await refusal(response);
  if (error.endsSession && token === undefined && !entering) accessRefused(key);
  throw error;
}

async function refusal(response: Response): Promise<ApiError> {
  try {
    const { error } = (await response.json()) as ErrorAnswer;
    return new ApiError(response.status, error.code, error.message);
  } catch {
    return new ApiError(response.status, "unknown", `The server answered with status ${response.status}.`);
  }
}

/**
 * GET /v1/live, until the stream ends or nothing comes for `silence` milliseconds. The server sends a message at least
 * every 15 seconds. Rejects when there is no stream or the connection breaks.
 */
export async function listen(
  site: string | null,
  onMessage: (message: Message) => void,
  signal: AbortSignal,
  silence = 40_000,
): Promise<void> {
  const named = new URLSearchParams({ site_id: site ?? "*" }).toString();
  const response = await respond(`/v1/live?${named}`, { signal }, "text/event-stream");
  if (!response.body) return;
  const pieces = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const read = reader();
  for (;;) {
    const timer = setTimeout(() => void pieces.cancel(), silence);
    try {
      const { done, value } = await pieces.read();
      if (done) return;
      read(value).forEach(onMessage);
    } finally {
      clearTimeout(timer);
    }
  }
}
