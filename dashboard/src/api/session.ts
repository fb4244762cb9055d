import { type QueryClient, queryOptions, useQuery } from "@tanstack/react-query";
import { request } from "./client";
import { keepCsrfToken } from "./csrf";
import { forgetKey, useKey } from "./key";
import type { Session } from "./types";
import { may, type SiteRight } from "./rights";

/** Who uses this browser, as `GET /v1/session` says it, and how that changes: docs/run/access.md. */

const SESSION = "session";

function kept(session: Session): Session {
  keepCsrfToken(session.csrf_token);
  return session;
}

export const sessionOptions = (key: string | null) =>
  queryOptions({
    queryKey: [SESSION, key],
    queryFn: async ({ signal }) => kept(await request<Session>("/v1/session", { signal })),
  });

/** The session of this browser, or of the key that this tab has. */
export function useSession() {
  const { key } = useKey();
  return useQuery(sessionOptions(key));
}

/** The session anew, such as after a request without one was refused. */
export const refreshSession = (client: QueryClient) => client.invalidateQueries({ queryKey: [SESSION] });

/** Drops every answer but the session: nothing of what one account saw is shown to the next. */
export const dropAnswers = (client: QueryClient) =>
  client.resetQueries({ predicate: ({ queryKey }) => queryKey[0] !== SESSION });

/** This browser has another session now, or none. */
export function enter(client: QueryClient, session: Session): void {
  void client.cancelQueries({ queryKey: [SESSION] }); // an answer on its way is of the session before
  client.setQueryData(sessionOptions(null).queryKey, kept(session));
  forgetKey();
  void dropAnswers(client);
}

export const logIn = (email: string, password: string) =>
  request<Session>("/v1/session", { method: "POST", body: { email, password }, entering: true });

/** Ends this session, or every session of the account. */
export async function logOut(client: QueryClient, everywhere = false): Promise<void> {
  await request<undefined>(everywhere ? "/v1/account/sessions" : "/v1/session", { method: "DELETE" });
  enter(client, await request<Session>("/v1/session", { entering: true }));
}

/** Whether the caller has the right for the site (null: for every site); false while the session is not known. */
export function useMay(right: SiteRight, site: string | null): boolean {
  const { data } = useSession();
  return data !== undefined && may(data.may, right, site);
}
