import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { request } from "./client";
import type {
  Accept,
  AccessKey,
  AccessKeyList,
  AccessSite,
  AccessSiteList,
  Account,
  AccountList,
  AuditList,
  BrowserSessionList,
  InvitationFields,
  InvitationList,
  KeyFields,
  LinkShown,
  NewAccessKey,
  NewInvitation,
  QuotaChange,
  Role,
  Session,
} from "./types";

/** Sites, keys, accounts and the audit log, as docs/run/access.md describes them. */

// --- sites

export const sitesOptions = queryOptions({
  queryKey: ["access", "sites"],
  queryFn: ({ signal }) => request<AccessSiteList>("/v1/admin/sites", { signal }),
  select: ({ sites }) => sites,
});

export const addSite = (site_id: string, name: string) =>
  request<AccessSite>("/v1/admin/sites", { method: "POST", body: { site_id, name } });

/** Its keys, roles and invitations end; its events stay. */
export const removeSite = (site_id: string) =>
  request<undefined>(`/v1/admin/sites?${new URLSearchParams({ site_id }).toString()}`, { method: "DELETE" });

// --- keys

export const keysOptions = queryOptions({
  queryKey: ["access", "keys"],
  queryFn: ({ signal }) => request<AccessKeyList>("/v1/admin/keys", { signal }),
  select: ({ keys }) => keys,
  staleTime: 0, // the time of a key's last use is shown as it is now
});

export const createKey = (fields: KeyFields) =>
  request<NewAccessKey>("/v1/admin/keys", { method: "POST", body: fields });

/** A field that is null: what the server's settings say. */
export const setQuota = (id: string, quota: QuotaChange) =>
  request<AccessKey>(`/v1/admin/keys/${id}`, { method: "PATCH", body: quota });

export const revokeKey = (id: string) => request<undefined>(`/v1/admin/keys/${id}`, { method: "DELETE" });

// --- people

export const accountsOptions = queryOptions({
  queryKey: ["access", "accounts"],
  queryFn: ({ signal }) => request<AccountList>("/v1/admin/users", { signal }),
  select: ({ users }) => users,
});

/** null: none on that site. */
export const setRole = (id: string, site_id: string, role: Role | null) =>
  request<Account>(`/v1/admin/users/${id}/role`, { method: "PUT", body: { site_id, role } });

export const setAdmin = (id: string, admin: boolean) =>
  request<Account>(`/v1/admin/users/${id}/admin`, { method: "PUT", body: { admin } });

export const removeAccount = (id: string) =>
  request<undefined>(`/v1/admin/users/${id}`, { method: "DELETE" });

export const invitationsOptions = queryOptions({
  queryKey: ["access", "invitations"],
  queryFn: ({ signal }) => request<InvitationList>("/v1/admin/invitations", { signal }),
  select: ({ invitations }) => invitations,
});

export const invite = (fields: InvitationFields) =>
  request<NewInvitation>("/v1/admin/invitations", { method: "POST", body: fields });

export const withdrawInvitation = (id: string) =>
  request<undefined>(`/v1/admin/invitations/${id}`, { method: "DELETE" });

// --- the audit log

export const auditOptions = infiniteQueryOptions({
  queryKey: ["access", "audit"],
  queryFn: ({ signal, pageParam }) =>
    request<AuditList>(
      `/v1/admin/audit?limit=100${pageParam === null ? "" : `&before=${encodeURIComponent(pageParam)}`}`,
      { signal },
    ),
  initialPageParam: null as string | null,
  getNextPageParam: ({ next_before }) => next_before,
  staleTime: 0,
});

// --- one's own account

export const changePassword = (current_password: string, new_password: string) =>
  request<undefined>("/v1/account/password", { method: "POST", body: { current_password, new_password } });

export const loginsOptions = queryOptions({
  queryKey: ["access", "logins"],
  queryFn: ({ signal }) => request<BrowserSessionList>("/v1/account/sessions", { signal }),
  select: ({ sessions }) => sessions,
  staleTime: 0,
});

// --- one-time links

/** What a one-time link is for. Rejects with 404 when it was used, has expired, or never was one. */
export const lookAtLink = (token: string, signal: AbortSignal) =>
  request<LinkShown>("/v1/invitations/look", { method: "POST", body: { token }, signal, entering: true });

/** Sets the password, and logs in. `email` is for the first account alone. */
export const acceptLink = (fields: Accept) =>
  request<Session>("/v1/invitations/accept", { method: "POST", body: fields, entering: true });
