/* Written by `make docs` from the OpenAPI document (scripts/api_types.py). Do not edit. */
/* eslint-disable max-lines */

/** A link, and what the new account is to have. */
export interface Accept {
  token: string;
  /** Only where the link has none (first_admin). */
  email?: string;
  name?: string;
  password: string;
}

/** A key that was made while the server ran, without the key itself. */
export interface AccessKey {
  id: string;
  kind: "write" | "read" | "admin";
  name: string;
  sites: string[];
  rights: ("edit" | "sql" | "export" | "erase")[];
  origins: string[];
  hint: string;
  created_at: string;
  created_by: string;
  last_used_at: string | null;
  revoked_at: string | null;
  /** Its own quota; 0: none; null: what the settings say. */
  events_per_second: number | null;
  /** The same in bytes of events as they are queued. */
  bytes_per_second: number | null;
}

/** Keys, the oldest first, revoked ones included. */
export interface AccessKeyList {
  keys: AccessKey[];
}

/** A site that keys and roles may name. */
export interface AccessSite {
  site_id: string;
  name: string;
  created_at: string;
}

/** Sites, by id. */
export interface AccessSiteList {
  sites: AccessSite[];
}

/** An account. An owner sees its roles on the owner's sites only. */
export interface Account {
  id: string;
  email: string;
  name: string;
  admin: boolean;
  roles: SiteRole[];
  created_at: string;
  last_login_at: string | null;
  /** It has a password. */
  password: boolean;
  /** A person of an OpenID provider has logged in with it. */
  single_sign_on: boolean;
}

/** Accounts, by e-mail address. */
export interface AccountList {
  users: Account[];
}

/**
 * Active users of each day, and of the 7 and 30 days that end with it: DAU, WAU, MAU, and their ratios.
 *
 * The rows begin with the whole day that contains `since`; events from 29 days before it count, too. The
 * ratios
 * `dau_wau` and `dau_mau` are null where no user was active.
 */
export interface ActiveUsersQuery {
  /** null: every site that the caller may read. */
  site_id?: string | null;
  /** Event time, included. Absent: from the first event. */
  since?: string | null;
  /** Event time, excluded. Absent: up to the newest event. */
  until?: string | null;
  /** At most 200 conditions, nested at most 10 deep. */
  filter?: Condition | AllOf | AnyOf | null;
  /**
   * Whether the events of bots (`properties.$bot` is true) count. Absent: as TALLYSTICK_BOTS says, by
   * default `exclude`; lists of events, keys and values, and queries that name `$bot`, include them.
   */
  bots?: "exclude" | "include" | null;
  /** IANA name. Days, weeks and months begin at midnight in this zone. */
  timezone?: string;
  /** The day that weeks begin on, with the interval `week`. */
  week_start?: "monday" | "sunday";
  kind: "active_users";
  interval?: "day";
}

/** Daily, weekly and monthly active users at the end of one day. */
export interface ActiveUsersRow {
  bucket: string;
  dau: number;
  wau: number;
  mau: number;
  dau_wau: number | null;
  dau_mau: number | null;
  complete: boolean;
}

/** Whether an account is an administrator's. */
export interface AdminChange {
  admin: boolean;
}

/** True if all parts are true; also true without parts. */
export interface AllOf {
  all: (Condition | AllOf | AnyOf)[];
}

/** True if at least one part is true; false without parts. */
export interface AnyOf {
  any: (Condition | AllOf | AnyOf)[];
}

/** An administrative act. */
export interface AuditEntry {
  id: string;
  at: string;
  actor: string;
  action: string;
  subject: string;
  site_id: string | null;
  address: string | null;
  details: Record<string, unknown>;
}

/** Entries of the audit log, the newest first. */
export interface AuditList {
  entries: AuditEntry[];
  next_before: string | null;
}

/**
 * The period that a named range is compared with: `month` with the month before, `year` with the year
 * before.
 */
export interface BeforeRange {
  /**
   * The range that `since` and `until` were made from: a preset, or two days `YYYY-MM-DD/YYYY-MM-DD`, both
   * included.
   */
  range: string;
}

/** A board: reports side by side. */
export interface Board {
  id: string;
  name: string;
  description: string;
  site_id: string | null;
  tiles: Tile[];
  created_at: string;
  updated_at: string;
}

/** The new fields of a board. */
export interface BoardChange {
  name: string;
  description?: string;
  /** It shows this site's reports; null: any. It stays as it is when a board changes. */
  site_id?: string | null;
  tiles?: Tile[];
  /** That of the version that was edited: 409 when it changed meanwhile. */
  updated_at: string;
}

/** The fields of a board that a client sends. */
export interface BoardFields {
  name: string;
  description?: string;
  /** It shows this site's reports; null: any. It stays as it is when a board changes. */
  site_id?: string | null;
  tiles?: Tile[];
}

/** Boards, the oldest first. */
export interface BoardList {
  boards: Board[];
}

/** A login of the account. */
export interface BrowserSession {
  id: string;
  created_at: string;
  last_used_at: string;
  address: string;
  user_agent: string;
  current: boolean;
}

/** The logins of the account, the oldest first. */
export interface BrowserSessionList {
  sessions: BrowserSession[];
}

/** What is as it should be, and what is not: settings, machine, queue and store of a process. */
export interface Checkup {
  /** The worst of the findings' levels. */
  level: "ok" | "warn" | "fail";
  /** What the process's clock says. */
  now: string;
  /** As in GET /v1/pipeline. */
  versions: Record<string, string>;
  findings: Finding[];
}

/** A column of an answer. */
export interface ColumnShape {
  name: string;
  type: string;
}

/** The same columns over the period before. */
export interface ComparedValues {
  bucket?: string;
  complete?: boolean;
  [column: string]: unknown;
}

/** A test of one field. A missing property and a null field are `not_set`, and fail all tests but `!=`. */
export interface Condition {
  /**
   * Of the event: name, source, path, site_id, user_id, session_id, event_id, or properties.<key>. Of the
   * visit that the event belongs to: session.entry_page, session.exit_page, session.channel,
   * session.referrer, or of the visit's entry event session.name, session.source, session.path,
   * session.properties.<key>; these are compared as texts.
   */
  field: string;
  op: "=" | "!=" | "in" | "contains" | "has" | ">" | "<" | "set" | "not_set";
  /**
   * A list for `in`; an element for `has`, which is true of lists that have it; absent for `set` and
   * `not_set`. A number is compared with numeric values only, a text with texts in code-point order, a
   * boolean with true and false.
   */
  value?: string | number | boolean | (string | number | boolean)[] | null;
}

/** A dead letter with its bytes. */
export interface DeadLetterDetail {
  id: number;
  state: "dead" | "replayed" | "dropped" | "erased";
  code: string;
  reason: string;
  /** How often the worker tried to store it; 0: it was refused on arrival. */
  attempts: number;
  /** 1, or all events of a block that is itself broken. */
  events: number;
  dead_at: string;
  /** The receipt of its block. */
  receipt: string;
  /** Its position in the block; -1: the block itself is broken. */
  index: number;
  /** The canonical line, the event as it was sent, or the broken block's payload. */
  original: string;
  /** base64 only if the bytes are not UTF-8 text. */
  encoding: "utf-8" | "base64";
}

/** Dead letters by ascending id. */
export interface DeadLetterList {
  dead: DeadLetterSummary[];
  /** `after` of the next page; null: this was the last. */
  next_after: number | null;
}

/** An event that the store could not take. */
export interface DeadLetterSummary {
  id: number;
  state: "dead" | "replayed" | "dropped" | "erased";
  code: string;
  reason: string;
  /** How often the worker tried to store it; 0: it was refused on arrival. */
  attempts: number;
  /** 1, or all events of a block that is itself broken. */
  events: number;
  dead_at: string;
  /** The receipt of its block. */
  receipt: string;
  /** Its position in the block; -1: the block itself is broken. */
  index: number;
}

/** A fault that a check of the books found. */
export interface Difference {
  /** The check that found it: sequence, count, totals, … */
  check: string;
  message: string;
}

/** Dead letters to drop. */
export interface Drop {
  ids: number[];
}

/** The dead letters that were dropped. Their rows stay, marked as dropped. */
export interface DropReport {
  dropped: number[];
  not_dropped: NotDone[];
}

/**
 * Which facts this process adds to events from their web requests: the settings `TALLYSTICK_ENRICH_…`.
 *
 * `auto`: to what browsers send to POST /v1/events, as the snippet does. `true`: on every write route.
 * `false`: off.
 */
export interface EnrichmentStatus {
  /** Browser, operating system, device type, bot. */
  agent: "auto" | "true" | "false";
  /** Path, referring domain, campaign tags, ad click. */
  page: "auto" | "true" | "false";
  /** An id for visitors without `user_id`. */
  visitor: "auto" | "true" | "false";
  /** The country of the address, when a file is given. */
  country: "auto" | "true" | "false";
  /** The truncated address. */
  address: "auto" | "true" | "false";
}

/** Whom to erase, and how. */
export interface Erase {
  /** As it was sent: any id of the person. */
  user_id: string;
  site_id?: string;
  /** Only count what would be removed. */
  dry_run?: boolean;
  /** Store no event of these ids any more. Otherwise later events are stored again. */
  block?: boolean;
}

/** The result of an erasure, or with `dry_run` what it would remove. */
export interface Erased {
  dry_run: boolean;
  site_id: string;
  found: PersonCounts;
  /** null: nothing was removed. */
  receipt: ErasureReceipt | null;
}

/** Receipts of erasures, the last one first. */
export interface ErasureList {
  erasures: ErasureReceipt[];
}

/** What an erasure removed. It names the person by a keyed hash alone. */
export interface ErasureReceipt {
  id: string;
  site_id: string;
  /** Keyed hash of the id that was given; `GET /v1/erasures?user_id=` finds it again. */
  user_hash: string;
  erased_at: string;
  /** Events that happened until then are not stored again, nor those received until `erased_at`. */
  until: string;
  /** Whether no event of the person is stored any more, whatever its time. */
  blocked: boolean;
  removed: PersonCounts;
}

/** The body of every answer with a status of 400 and up. */
export interface ErrorAnswer {
  error: Problem;
}

/** One event. */
export interface EventRow {
  event_id: string;
  site_id: string;
  name: string;
  timestamp: string;
  received_at: string;
  user_id: string | null;
  session_id: string | null;
  source: string;
  path: string | null;
  properties: Record<string, unknown>;
}

/** A test of one event: it has this name and passes this filter. Without both, every event passes. */
export interface EventTest {
  /** Absent: events of any name. */
  name?: string | null;
  /** In addition to the query's own filter. */
  filter?: Condition | AllOf | AnyOf | null;
}

/** Single events, newest first (or oldest first: a user's timeline), page by page without losing any. */
export interface EventsQuery {
  /** null: every site that the caller may read. */
  site_id?: string | null;
  /** Event time, included. Absent: from the first event. */
  since?: string | null;
  /** Event time, excluded. Absent: up to the newest event. */
  until?: string | null;
  /** At most 200 conditions, nested at most 10 deep. */
  filter?: Condition | AllOf | AnyOf | null;
  /**
   * Whether the events of bots (`properties.$bot` is true) count. Absent: as TALLYSTICK_BOTS says, by
   * default `exclude`; lists of events, keys and values, and queries that name `$bot`, include them.
   */
  bots?: "exclude" | "include" | null;
  kind: "events";
  /** Only this user's events: a timeline. */
  user_id?: string | null;
  /** Oldest first. */
  ascending?: boolean;
  limit?: number;
  cursor?: string | null;
}

/** A statement to begin with. */
export interface ExampleShape {
  title: string;
  sql: string;
}

/** What one check of `tallystick doctor` found. */
export interface Finding {
  /** What was looked at: disk, keys, backlog, … */
  check: string;
  level: "ok" | "warn" | "fail";
  /** What is so, as a sentence. */
  message: string;
  /** What to change; empty when nothing is. */
  do: string;
}

/** A number that is computed from the metrics of its row. */
export interface Formula {
  /** Its column in the answer; absent: its expression. */
  name?: string | null;
  /**
   * + - * / and parentheses over numbers and letters: A is the first metric, B the second. The value is null
   * if a metric is null, a divisor is zero, or a value is beyond the range of a double.
   */
  expression: string;
}

/** How current an answer is (G10). */
export interface Freshness {
  /** When the newest batch was stored; null: nothing yet. */
  loaded_at: string | null;
  /** Age of the oldest queued event; null: none is queued. */
  queue_lag_seconds: number | null;
}

/**
 * How many persons get how far, and how long each step takes them.
 *
 * The answer has a row for each step of each group: how many persons did it (with `any`: how many did at
 * least that
 * many steps), their share of the persons of the first step and of the step before, and the median and the
 * 90th
 * percentile of the seconds since the step before.
 */
export interface FunnelQuery {
  /** null: every site that the caller may read. */
  site_id?: string | null;
  /** Event time, included. Absent: from the first event. */
  since?: string | null;
  /** Event time, excluded. Absent: up to the newest event. */
  until?: string | null;
  /** At most 200 conditions, nested at most 10 deep. */
  filter?: Condition | AllOf | AnyOf | null;
  /**
   * Whether the events of bots (`properties.$bot` is true) count. Absent: as TALLYSTICK_BOTS says, by
   * default `exclude`; lists of events, keys and values, and queries that name `$bot`, include them.
   */
  bots?: "exclude" | "include" | null;
  steps: EventTest[];
  order?: "ordered" | "strict" | "any";
  /** Seconds after the first step in which the others have to be done, the last second included. */
  window?: number;
  kind: "funnel";
  /**
   * A field to group by: its value at the event with which the person's attempt begins (the smallest value,
   * if several events of that instant match).
   */
  breakdown?: string | null;
  /**
   * With a breakdown: keep this many groups, those with the most persons at the first step (ties in order of
   * their values, null last).
   */
  top?: number;
  /** With a breakdown: one more group, `other`, holds the rest. */
  other?: boolean;
}

/** One step, of everyone or of one group. A group's row also has the breakdown field. */
export interface FunnelRow {
  step: number;
  name: string | null;
  users: number;
  from_first: number | null;
  from_previous: number | null;
  median_seconds: number | null;
  p90_seconds: number | null;
  other?: boolean;
  [column: string]: unknown;
}

/** A user who reached a step, or dropped out before it. */
export interface FunnelUserRow {
  user_id: string;
  steps: number;
  first_at: string;
  last_at: string;
}

/**
 * The persons who did a step of a funnel, or only the step before it. In order of `user_id`, page by page.
 */
export interface FunnelUsersQuery {
  /** null: every site that the caller may read. */
  site_id?: string | null;
  /** Event time, included. Absent: from the first event. */
  since?: string | null;
  /** Event time, excluded. Absent: up to the newest event. */
  until?: string | null;
  /** At most 200 conditions, nested at most 10 deep. */
  filter?: Condition | AllOf | AnyOf | null;
  /**
   * Whether the events of bots (`properties.$bot` is true) count. Absent: as TALLYSTICK_BOTS says, by
   * default `exclude`; lists of events, keys and values, and queries that name `$bot`, include them.
   */
  bots?: "exclude" | "include" | null;
  steps: EventTest[];
  order?: "ordered" | "strict" | "any";
  /** Seconds after the first step in which the others have to be done, the last second included. */
  window?: number;
  kind: "funnel_users";
  /** The number of a step, from 1. */
  step: number;
  /** `dropped`: they did the step before, and not this one. */
  outcome?: "reached" | "dropped";
  limit?: number;
  /** `next_cursor` of the page before; leave every other field as it was. */
  cursor?: string | null;
}

/** Ids whose join no longer counts. */
export interface IdentitySplit {
  site_id: string;
  /** The person that the id resolved to before. */
  person_id: string;
  /** The ids that are joined to no other now, unless a later event joins them. */
  split: string[];
  /** Joins of these ids count if their event time is later than this. */
  split_at: string;
}

/** The imports of which events are stored, the last one first. */
export interface ImportList {
  imports: ImportedPart[];
}

/** What is stored of an import, and what was taken back of it. */
export interface ImportStatus {
  import_id: string;
  /** Events that are stored, on all sites. */
  events: number;
  parts: ImportedPart[];
  removed: RemovedPart[];
}

/** How many events were removed, or with `dry_run` would be. */
export interface ImportUndone {
  import_id: string;
  events: number;
  dry_run: boolean;
}

/** What is stored of one import on one site. */
export interface ImportedPart {
  import_id: string;
  site_id: string;
  events: number;
  /** The earliest event time. */
  first: string;
  /** The latest event time. */
  last: string;
  /** When its first event was received. */
  began: string;
  /** When its last event was received. */
  ended: string;
}

/** What a client has to know to send events to this process. */
export interface InstallStatus {
  /** Whether events need a write key. Keys are kept as digests: none can be shown. */
  write_key: boolean;
  /** The path of the browser snippet. */
  snippet_path: string;
  /** The command line as it is called from the folder that the server was started in. */
  command: string;
}

/** An invitation that is neither used nor expired. */
export interface Invitation {
  id: string;
  kind: "invitation" | "first_admin" | "password_reset";
  email: string | null;
  admin: boolean;
  roles: SiteRole[];
  created_at: string;
  created_by: string;
  expires_at: string;
}

/** Whom to invite, and to what. */
export interface InvitationFields {
  email: string;
  admin?: boolean;
  roles?: SiteRole[];
}

/** Invitations, the oldest first. */
export interface InvitationList {
  invitations: Invitation[];
}

/**
 * One id of a person, with the times and the number of the events that were sent with it.
 *
 * Each id but the person's own is linked to another one. If the links form a circle, the person's own id is,
 * too: the
 * circle is cut at this id.
 */
export interface JoinedId {
  user_id: string;
  site_id: string;
  /** The id that this one is linked to; null: to none. */
  linked_to: string | null;
  /** The time of the event that linked them. */
  linked_at: string | null;
  /** The id of that event. */
  event_id: string | null;
  first_seen: string | null;
  last_seen: string | null;
  events: number;
}

/** A key to make. */
export interface KeyFields {
  kind: "write" | "read" | "admin";
  name?: string;
  /** Site ids; `*`: every site. Not for admin keys. */
  sites?: string[];
  /** Of a read key, beside reading. */
  rights?: ("edit" | "sql" | "export" | "erase")[];
  /** Of a write key: web origins that alone may use it. */
  origins?: string[];
  /**
   * Of a write key: events a second that may be sent with it, instead of `TALLYSTICK_QUOTA_KEY_EVENTS`; 0:
   * any number.
   */
  events_per_second?: number | null;
  /** The same in bytes, instead of `TALLYSTICK_QUOTA_KEY_BYTES`. */
  bytes_per_second?: number | null;
}

/** A property's key, and how many of the sampled events have it. */
export interface KeyRow {
  key: string;
  events: number;
}

/**
 * Which property keys occur, the most frequent first: for filter pickers. Reads a sample of the newest
 * events.
 *
 * The sample is taken from the site and the time range, and the filter is applied to the sample.
 */
export interface KeysQuery {
  /** null: every site that the caller may read. */
  site_id?: string | null;
  /** Event time, included. Absent: from the first event. */
  since?: string | null;
  /** Event time, excluded. Absent: up to the newest event. */
  until?: string | null;
  /** At most 200 conditions, nested at most 10 deep. */
  filter?: Condition | AllOf | AnyOf | null;
  /**
   * Whether the events of bots (`properties.$bot` is true) count. Absent: as TALLYSTICK_BOTS says, by
   * default `exclude`; lists of events, keys and values, and queries that name `$bot`, include them.
   */
  bots?: "exclude" | "include" | null;
  kind: "keys";
  /** Only keys that contain this text, ignoring case. */
  search?: string | null;
  /** How many of the newest events are read. */
  sample?: number;
  limit?: number;
}

/**
 * The closed books in events, from stored rows: `accepted = stored + duplicates + dead + erased + queued`.
 */
export interface Ledger {
  accepted: number;
  stored: number;
  /** Events that were stored before, `conflicts` included. */
  duplicates: number;
  /** Duplicates whose payload differs from the event that was stored first. */
  conflicts: number;
  /** All events ever set aside as dead letters, including replayed and dropped ones. */
  dead: number;
  /** Events of erased persons that came again and were not stored. */
  erased: number;
  queued: number;
}

/**
 * How many of the active persons are new, returning or resurrecting, and how many went dormant.
 *
 * A person with an event in a period is active in it. An active person is `new` without any event in earlier
 * periods,
 * `returning` if active in the period right before, and `resurrecting` if active earlier, but not in the
 * period right
 * before. A `dormant` person was active in the period right before and is not in this one. All events up to
 * `until`
 * count; the rows begin with the whole period that contains `since`.
 */
export interface LifecycleQuery {
  /** null: every site that the caller may read. */
  site_id?: string | null;
  /** Event time, included. Absent: from the first event. */
  since?: string | null;
  /** Event time, excluded. Absent: up to the newest event. */
  until?: string | null;
  /** At most 200 conditions, nested at most 10 deep. */
  filter?: Condition | AllOf | AnyOf | null;
  /**
   * Whether the events of bots (`properties.$bot` is true) count. Absent: as TALLYSTICK_BOTS says, by
   * default `exclude`; lists of events, keys and values, and queries that name `$bot`, include them.
   */
  bots?: "exclude" | "include" | null;
  /** IANA name. Days, weeks and months begin at midnight in this zone. */
  timezone?: string;
  /** The day that weeks begin on, with the interval `week`. */
  week_start?: "monday" | "sunday";
  kind: "lifecycle";
  interval?: "day" | "week" | "month";
}

/** New, returning, resurrecting and dormant users of one period. */
export interface LifecycleRow {
  bucket: string;
  new: number;
  returning: number;
  resurrecting: number;
  dormant: number;
  complete: boolean;
}

/** What a link is for. */
export interface LinkShown {
  kind: "invitation" | "first_admin" | "password_reset";
  email: string | null;
  name: string | null;
  admin: boolean;
  roles: SiteRole[];
  expires_at: string;
}

/** An e-mail address and its password. */
export interface LogIn {
  email: string;
  password: string;
}

/** On which sites a caller has which permission; `*`: on every site. */
export interface May {
  read: string[];
  edit: string[];
  sql: string[];
  export: string[];
  erase: string[];
  /** May manage keys, invitations and roles. */
  own: string[];
  operate: boolean;
  admin: boolean;
}

/** One number to compute over the events of each row. */
export interface Metric {
  /**
   * `users` counts distinct ids (null is no id), `sessions` the visits that have such an event;
   * `events_per_user` is events that have a user divided by distinct users; sum…p95 take the values of
   * `property` that are JSON numbers; percentiles interpolate; `last_received` is when the newest of the
   * events arrived. Where there are no events (or no numbers), events, users and sessions are 0 and the
   * others null.
   */
  kind?: "events" | "users" | "sessions" | "events_per_user" | "sum" | "avg" | "min" | "max" | "median" | "p90" | "p95" | "last_received";
  /** Key in `properties`; required by sum, avg, min, max, median, p90, p95. */
  property?: string | null;
  /** Only these events, in addition to the query's own filter. */
  filter?: Condition | AllOf | AnyOf | null;
  /** Its column in the answer; absent: `events`, `sum(amount)`. */
  name?: string | null;
}

/** Metrics, optionally over time and broken down. Charts and tables use this kind of query. */
export interface MetricsQuery {
  /** null: every site that the caller may read. */
  site_id?: string | null;
  /** Event time, included. Absent: from the first event. */
  since?: string | null;
  /** Event time, excluded. Absent: up to the newest event. */
  until?: string | null;
  /** At most 200 conditions, nested at most 10 deep. */
  filter?: Condition | AllOf | AnyOf | null;
  /**
   * Whether the events of bots (`properties.$bot` is true) count. Absent: as TALLYSTICK_BOTS says, by
   * default `exclude`; lists of events, keys and values, and queries that name `$bot`, include them.
   */
  bots?: "exclude" | "include" | null;
  kind: "metrics";
  metrics?: Metric[];
  /** Numbers made of each row's metrics, such as `A / B * 100`. */
  formulas?: Formula[];
  /**
   * Add `previous` to each row: the values of another period, the n-th bucket beside the n-th. `previous` is
   * the period right before, `{"range": "month"}` the one that a named range is compared with; both end
   * where the query's period has got to. Or give a period. Needs `since`; without `until` the range ends
   * now. The answer comes in one page, without `next_cursor`.
   */
  compare?: "previous" | BeforeRange | Period | null;
  /** Absent: one bucket for the whole range. */
  interval?: "minute" | "hour" | "day" | "week" | "month" | null;
  /** The day that weeks begin on, with the interval `week`. */
  week_start?: "monday" | "sunday";
  /** IANA name; buckets start at this zone's midnights and full hours. */
  timezone?: string;
  /** Fields to group by. */
  breakdown?: string[];
  /**
   * Keep this many groups, the largest by the first metric over the whole range (equal ones in order of
   * their values, null last). The answer comes whole: no `next_cursor`. Absent: all groups.
   */
  top?: number | null;
  /** With `top`: one more group, `other`, holds the rest. */
  other?: boolean;
  /** Without breakdown: empty buckets between since and until appear, as zero. */
  fill?: boolean;
  /** Allow estimated distinct counts (faster); the answer says whether it is `exact`. */
  approximate?: boolean;
  /** Rows in one answer. */
  limit?: number;
  /** `next_cursor` of the previous page; all other fields must stay the same. */
  cursor?: string | null;
}

/** A row of `metrics` or `sessions`: also a value for each breakdown field, metric and formula. */
export interface MetricsRow {
  bucket?: string;
  other?: boolean;
  complete?: boolean;
  previous?: ComparedValues;
  [column: string]: unknown;
}

/** A new key, shown this once. */
export interface NewAccessKey {
  id: string;
  kind: "write" | "read" | "admin";
  name: string;
  sites: string[];
  rights: ("edit" | "sql" | "export" | "erase")[];
  origins: string[];
  hint: string;
  created_at: string;
  created_by: string;
  last_used_at: string | null;
  revoked_at: string | null;
  /** Its own quota; 0: none; null: what the settings say. */
  events_per_second: number | null;
  /** The same in bytes of events as they are queued. */
  bytes_per_second: number | null;
  key: string;
}

/** A new invitation with its link, shown this once. */
export interface NewInvitation {
  id: string;
  kind: "invitation" | "first_admin" | "password_reset";
  email: string | null;
  admin: boolean;
  roles: SiteRole[];
  created_at: string;
  created_by: string;
  expires_at: string;
  url: string;
}

/** A change of one's own password. */
export interface NewPassword {
  current_password: string;
  new_password: string;
}

/** A new share link with its token, which is shown only once. */
export interface NewShare {
  id: string;
  name: string;
  created_at: string;
  expires_at: string | null;
  /** Accurate to a minute; null: never used. */
  last_used_at: string | null;
  /** Shown once: the server stores only its SHA-256. */
  token: string;
  /** Its page, relative to this server. Browsers do not send the part after #. */
  url: string;
}

/** A site to make known. */
export interface NewSite {
  site_id: string;
  name?: string;
}

/** A dead letter that was left as it is, and why. */
export interface NotDone {
  id: number;
  code: string;
  message: string;
}

/** An OpenID provider with which persons log in. */
export interface OidcProvider {
  name: string;
  /** Where a browser begins; `?next=/ui/…` names the page that is shown afterwards. */
  url: string;
}

/**
 * Sessions that went from one page or event to the next.
 *
 * A null target is the end of the session; with the query's `end`, a null source is its beginning.
 */
export interface PathRow {
  step: number;
  source: string | null;
  target: string | null;
  sessions: number;
  other?: boolean;
}

/**
 * The ways that sessions take, as edges between one step and the next.
 *
 * The steps of a session are its events in the range that pass `filter`. They are in order of time; steps of
 * the same
 * instant are in order of their page or name. A session that crosses an edge of the range is cut there. Each
 * session
 * adds at most one edge to each step number. Paths begin with the first step of a session. With `start`,
 * they begin
 * where this first occurs in the session. With `end`, they go backwards from where this first occurs.
 * Sessions in
 * which it does not occur are left out.
 */
export interface PathsQuery {
  /** null: every site that the caller may read. */
  site_id?: string | null;
  /** Event time, included. Absent: from the first event. */
  since?: string | null;
  /** Event time, excluded. Absent: up to the newest event. */
  until?: string | null;
  /** At most 200 conditions, nested at most 10 deep. */
  filter?: Condition | AllOf | AnyOf | null;
  /**
   * Whether the events of bots (`properties.$bot` is true) count. Absent: as TALLYSTICK_BOTS says, by
   * default `exclude`; lists of events, keys and values, and queries that name `$bot`, include them.
   */
  bots?: "exclude" | "include" | null;
  /** Minutes. For events without `session_id`, a longer pause of the user ends the session. */
  inactivity?: number;
  /** Names of the events that are page views. */
  page_names?: string[];
  kind: "paths";
  /** `page`: the steps are the paths of page views; `event`: the names of all events. */
  by?: "page" | "event";
  /** The page or event that paths begin with. */
  start?: string | null;
  /** The page or event that paths lead to. */
  end?: string | null;
  /** The most steps of a path; it has one edge less. */
  steps?: number;
  /** Merge repetitions: the same page or event several times in a row is one step. */
  merge?: boolean;
  /**
   * Keep this many edges of each step number, those of the most sessions (ties in order of source, then
   * target, null last). The rest of a step number is one row with `other: true`.
   */
  top?: number;
}

/**
 * Users with first and last time, events and sessions in the scope, page by page.
 *
 * A new event can move its user in the order while pages are fetched; then the user may be on two pages or
 * on none. An
 * `until` in the past keeps the order fixed. With `site_id` null, an id that occurs on two sites is one
 * user.
 */
export interface PeopleQuery {
  /** null: every site that the caller may read. */
  site_id?: string | null;
  /** Event time, included. Absent: from the first event. */
  since?: string | null;
  /** Event time, excluded. Absent: up to the newest event. */
  until?: string | null;
  /** At most 200 conditions, nested at most 10 deep. */
  filter?: Condition | AllOf | AnyOf | null;
  /**
   * Whether the events of bots (`properties.$bot` is true) count. Absent: as TALLYSTICK_BOTS says, by
   * default `exclude`; lists of events, keys and values, and queries that name `$bot`, include them.
   */
  bots?: "exclude" | "include" | null;
  kind: "people";
  /** Only ids that contain this text; case is ignored. */
  search?: string | null;
  /** Ties are in order of `user_id`. */
  order?: "last_seen" | "first_seen" | "events" | "user_id";
  /** The smallest or earliest first. */
  ascending?: boolean;
  limit?: number;
  /** `next_cursor` of the page before; leave every other field as it was. */
  cursor?: string | null;
}

/** A period. `since` is included, `until` is excluded. */
export interface Period {
  since: string;
  until: string;
}

/** One person: the row of the answer to a `person` query. */
export interface Person {
  /** The id that the person has in answers; null if it differs between sites. */
  person_id: string | null;
  /** Over all ids; null: there is no event in the scope. */
  first_seen: string | null;
  last_seen: string | null;
  events: number;
  ids: JoinedId[];
  /** The number of all ids, also of those beyond `limit`. */
  ids_total: number;
}

/** What is stored of a person. */
export interface PersonCounts {
  /** Ids that are this person: the given one, and all that were joined to it. */
  ids: number;
  events: number;
  /** Sessions, by `session_id`, that have events of the person. */
  sessions: number;
  /** Dead letters with an event of the person. */
  dead_letters: number;
  /** The earliest event time. */
  first: string | null;
  /** The latest event time. */
  last: string | null;
}

/**
 * One person: the linked ids, each with the event that linked it, and with its events in the scope.
 *
 * The answer has one row. With `site_id` null, it has the ids that are linked to `user_id` on each site.
 */
export interface PersonQuery {
  /** null: every site that the caller may read. */
  site_id?: string | null;
  /** Event time, included. Absent: from the first event. */
  since?: string | null;
  /** Event time, excluded. Absent: up to the newest event. */
  until?: string | null;
  /** At most 200 conditions, nested at most 10 deep. */
  filter?: Condition | AllOf | AnyOf | null;
  /**
   * Whether the events of bots (`properties.$bot` is true) count. Absent: as TALLYSTICK_BOTS says, by
   * default `exclude`; lists of events, keys and values, and queries that name `$bot`, include them.
   */
  bots?: "exclude" | "include" | null;
  kind: "person";
  /** Any id of the person. */
  user_id: string;
  /** The most ids in the answer: the person's own, then in the order in which they were linked. */
  limit?: number;
}

/** The state of the whole pipeline. */
export interface PipelineStatus {
  ledger: Ledger;
  /** Empty unless events were lost; `GET /v1/verify` checks more. */
  differences: Difference[];
  queue: QueueStatus;
  rates: Rates;
  durability: string;
  started_at: string;
  uptime_seconds: number;
  /** tallystick, python and, where installed, sqlite and duckdb. */
  versions: Record<string, string>;
}

/** Why a request has no answer. */
export interface Problem {
  /** A stable error code for programs. */
  code: string;
  /** One sentence for a human reader. */
  message: string;
}

/** What waits in the queue: accepted with a 202, not stored yet. */
export interface QueueStatus {
  /** Without the blocks of other processes where the queue does not report them. */
  blocks: number;
  /** null: the queue does not know (RabbitMQ, unless nothing waits). */
  events: number | null;
  /** null: the queue does not know, as with `events`. */
  bytes: number | null;
  /** null: nothing waits, or the queue does not know. */
  oldest_age_seconds: number | null;
}

/**
 * What a write key may send from now on. A field that is absent stays as it is; null: what the settings say.
 */
export interface QuotaChange {
  events_per_second?: number | null;
  bytes_per_second?: number | null;
}

/** Means over the last minute, or since this process started if that is shorter. Counts this process only. */
export interface Rates {
  accepted_per_second: number;
  stored_per_second: number;
}

/** Which counts to make anew. */
export interface Rebuild {
  /** A UTC day. */
  day: string;
  /** null: every site. */
  site_id?: string | null;
}

/** A UTC day whose rollups were counted again from its raw events. */
export interface RebuiltDay {
  day: string;
  /** Events that were counted. */
  events: number;
  /** Rows of the day's rollups that differed from the events before, of every site. */
  wrong: number;
}

/**
 * The state of the block with an accepted request's events. The block may have events of other requests too.
 */
export interface ReceiptStatus {
  receipt: string;
  state: "queued" | "stored";
  /** Events in the block; null: ledger compaction removed its details, or the queue does not know. */
  count: number | null;
  stored: number | null;
  duplicates: number | null;
  dead: number | null;
  erased: number | null;
  loaded_at: string | null;
}

/** One step in which events of an import were taken back. */
export interface RemovedPart {
  removed_at: string;
  site_id: string;
  events: number;
}

/** Dead letters to replay. */
export interface Replay {
  ids: number[];
  /** With a single id: the corrected event, in the form that `GET /v1/dead/{id}` shows. */
  original?: string | null;
}

/** The dead letters that were queued again. Their events count as accepted once more and keep their ids. */
export interface ReplayReport {
  replayed: number[];
  /** null when nothing was replayed. */
  receipt: string | null;
  not_replayed: NotDone[];
}

/** A saved report. */
export interface Report {
  id: string;
  name: string;
  description: string;
  site_id: string | null;
  /** The query, without since, until, site_id, timezone and cursor. */
  question: Record<string, unknown>;
  range: string;
  timezone: string;
  view: Record<string, unknown>;
  created_at: string;
  updated_at: string;
}

/** The new fields of a report. */
export interface ReportChange {
  name: string;
  description?: string;
  /** null: every site. It stays as it is when a report changes. */
  site_id?: string | null;
  /**
   * Any query, with its `kind`, of at most 32 kB, without since, until and cursor. Its site and time zone
   * are the report's.
   */
  question: MetricsQuery | EventsQuery | KeysQuery | ValuesQuery | SessionsQuery | PathsQuery | PeopleQuery | PersonQuery | FunnelQuery | FunnelUsersQuery | RetentionQuery | LifecycleQuery | StickinessQuery | ActiveUsersQuery;
  /** A preset, or two days `YYYY-MM-DD/YYYY-MM-DD`, both included, in the report's time zone. */
  range?: string;
  timezone?: string;
  /** For the dashboard, at most 16 kB; the server does not read it. */
  view?: Record<string, unknown>;
  /** That of the version that was edited: 409 when it changed meanwhile. */
  updated_at: string;
}

/** The fields of a report that a client sends. */
export interface ReportFields {
  name: string;
  description?: string;
  /** null: every site. It stays as it is when a report changes. */
  site_id?: string | null;
  /**
   * Any query, with its `kind`, of at most 32 kB, without since, until and cursor. Its site and time zone
   * are the report's.
   */
  question: MetricsQuery | EventsQuery | KeysQuery | ValuesQuery | SessionsQuery | PathsQuery | PeopleQuery | PersonQuery | FunnelQuery | FunnelUsersQuery | RetentionQuery | LifecycleQuery | StickinessQuery | ActiveUsersQuery;
  /** A preset, or two days `YYYY-MM-DD/YYYY-MM-DD`, both included, in the report's time zone. */
  range?: string;
  timezone?: string;
  /** For the dashboard, at most 16 kB; the server does not read it. */
  view?: Record<string, unknown>;
}

/** Reports, the oldest first. */
export interface ReportList {
  reports: Report[];
}

/** The answer to a report's query, and the time range of the answer. */
export interface ReportResult {
  rows: Record<string, unknown>[];
  next_cursor: string | null;
  /** With `compare`: the period of each row's `previous`. */
  previous: Period | null;
  exact: boolean;
  /** Served from the quarter-hour rollup, which equals the raw events. */
  from_rollup: boolean;
  /**
   * Retention removed the events of before and kept their rollups: figures that these do not have begin
   * here. Absent if all figures cover the range.
   */
  events_from: string | null;
  elapsed_ms: number;
  freshness: Freshness;
  /** Included; null: from the first event. */
  since: string | null;
  /** Excluded; null: up to the newest event. */
  until: string | null;
}

/**
 * The answer to any query: rows as objects.
 *
 * A metrics row has `bucket` (ISO 8601 with offset, if the query has an interval), a value (or null) per
 * breakdown
 * field, a value per metric's and formula's label, `other: true` on rows of the `other` group, with an
 * interval
 * `complete`: false if the range or the current time cuts the bucket, and with `compare` `previous`: an
 * object with
 * the same values, `bucket` and `complete`. An events row has the event's fields. A keys row has `key`
 * and `events`; a values row has `value` and `events`.
 */
export interface Result {
  rows: Record<string, unknown>[];
  next_cursor: string | null;
  /** With `compare`: the period of each row's `previous`. */
  previous: Period | null;
  exact: boolean;
  /** Served from the quarter-hour rollup, which equals the raw events. */
  from_rollup: boolean;
  /**
   * Retention removed the events of before and kept their rollups: figures that these do not have begin
   * here. Absent if all figures cover the range.
   */
  events_from: string | null;
  elapsed_ms: number;
  freshness: Freshness;
}

/** For how long events of a site are kept from now on, or with `dry_run` would be. */
export interface RetentionChange {
  dry_run: boolean;
  site_id: string;
  /** null: for ever. */
  days: number | null;
  /** Events before it are removed; null: none are. */
  kept_from: string | null;
  /** Stored events that are removed for it. */
  events: number;
  /** Whether their rollups stay. */
  keep_rollups: boolean;
  /** Events that were removed before, and whose kept rollups go now, because they no longer stay. */
  kept_events: number;
}

/**
 * The share of persons who began in one period and came back in the following ones.
 *
 * A cohort is the persons who did a start event in a period. With `recurring`, a person is in the cohort of
 * each such
 * period; with `first_time`, only in that of the person's first start event ever. If that was before
 * `since`, the
 * person is in no cohort. Number n of a cohort counts its persons with a return event in the n-th period
 * after it.
 * Number 0 counts those with one in the period itself, before the start event or after it. Start and return
 * events are
 * from `since` to `until`.
 *
 * The answer has a row for each cohort from `since` (or the first cohort) to `until` (or the last): `users`,
 * its
 * number of persons; `returned` and `shares`, a number for each period that has begun; and `complete`, how
 * many of
 * these periods are over.
 */
export interface RetentionQuery {
  /** null: every site that the caller may read. */
  site_id?: string | null;
  /** Event time, included. Absent: from the first event. */
  since?: string | null;
  /** Event time, excluded. Absent: up to the newest event. */
  until?: string | null;
  /** At most 200 conditions, nested at most 10 deep. */
  filter?: Condition | AllOf | AnyOf | null;
  /**
   * Whether the events of bots (`properties.$bot` is true) count. Absent: as TALLYSTICK_BOTS says, by
   * default `exclude`; lists of events, keys and values, and queries that name `$bot`, include them.
   */
  bots?: "exclude" | "include" | null;
  /** IANA name. Days, weeks and months begin at midnight in this zone. */
  timezone?: string;
  /** The day that weeks begin on, with the interval `week`. */
  week_start?: "monday" | "sunday";
  kind: "retention";
  mode?: "first_time" | "recurring";
  interval?: "day" | "week" | "month";
  /** The number of periods after a cohort's own. */
  periods?: number;
  /** The event that puts a person into a cohort. */
  start?: EventTest;
  /** The event that counts as coming back. */
  returning?: EventTest;
}

/** One cohort; `complete` is the number of its periods that are over. */
export interface RetentionRow {
  cohort: string;
  users: number;
  returned: number[];
  shares: (number | null)[];
  complete: number;
}

/** For how long events are kept. */
export interface RetentionRules {
  /** On sites without a rule: TALLYSTICK_RETENTION_DAYS; null: for ever. */
  default_days: number | null;
  /**
   * Whether rollups stay when their events go, on sites whose rule does not say it:
   * TALLYSTICK_RETENTION_ROLLUPS.
   */
  default_keep_rollups: boolean;
  /** Whether this store can keep rollups of events that go. */
  rollups_can_stay: boolean;
  /** The sites with a rule of their own, by site. */
  rules: SiteRetention[];
}

/** What an account may do on one site. */
export type Role = "owner" | "editor" | "viewer";

/** A role to give on a site; null: to take. */
export interface RoleChange {
  site_id: string;
  role: Role | null;
}

/** UTC days that have events or rollups. */
export interface RollupDays {
  days: string[];
}

/** How to run a report this time. Absent fields are the report's own. */
export interface RunOrder {
  range?: string | null;
  timezone?: string | null;
  /** Applies in addition to the report's own. */
  filter?: Condition | AllOf | AnyOf | null;
}

/** Who asks, and what that caller may do. */
export interface Session {
  /** There is at least one account. */
  accounts: boolean;
  /** There is none, and the link that makes the first one is waiting. */
  setup: boolean;
  /** Reading needs neither a key nor a login here. */
  open: boolean;
  /** The server can have accounts. */
  available: boolean;
  /** Why it cannot. */
  why: string | null;
  oidc: OidcProvider | null;
  /** The server takes passwords. */
  passwords: boolean;
  user: Account | null;
  caller: "open" | "key" | "user" | "none";
  may: May;
  /** To be sent as X-CSRF-Token with what changes something. */
  csrf_token: string | null;
  expires_at: string | null;
}

/**
 * Sessions: counts, bounce rate, duration and pages, over time and by where they came from, began or ended.
 *
 * A session belongs to the range and the bucket of its first event. Its events are looked up from 24 hours
 * before
 * `since` to 24 hours after `until`, and all of them count. `filter` keeps the sessions in which at least
 * one event
 * passes. The entry event is the first page view, the exit event the last one; in a session without page
 * views they
 * are the first and the last event. Events of the same instant are in order of arrival.
 */
export interface SessionsQuery {
  /** null: every site that the caller may read. */
  site_id?: string | null;
  /** Event time, included. Absent: from the first event. */
  since?: string | null;
  /** Event time, excluded. Absent: up to the newest event. */
  until?: string | null;
  /** At most 200 conditions, nested at most 10 deep. */
  filter?: Condition | AllOf | AnyOf | null;
  /**
   * Whether the events of bots (`properties.$bot` is true) count. Absent: as TALLYSTICK_BOTS says, by
   * default `exclude`; lists of events, keys and values, and queries that name `$bot`, include them.
   */
  bots?: "exclude" | "include" | null;
  /** Minutes. For events without `session_id`, a longer pause of the user ends the session. */
  inactivity?: number;
  /** Names of the events that are page views. */
  page_names?: string[];
  kind: "sessions";
  /**
   * `bounce_rate` is a share from 0 to 1; durations are seconds from a session's first event to its last, 0
   * if it has one event; `pages` and `events` count the sessions' page views and events. Without sessions,
   * counts are 0 and the others null.
   */
  metrics?: ("sessions" | "bounce_rate" | "avg_duration" | "median_duration" | "pages_per_session" | "pages" | "events")[];
  /**
   * What a bounce is: exactly one page view, whatever else happened; or one page view and nothing else. Only
   * sessions with a page view can bounce; how long it was in view (`page_leave`) is nothing else.
   */
  bounce?: "one_page" | "one_event";
  /**
   * Add `previous` to each row: the values of another period, the n-th bucket beside the n-th. `previous` is
   * the period right before, `{"range": "month"}` the one that a named range is compared with; both end
   * where the query's period has got to. Or give a period. Needs `since`; without `until` the range ends
   * now. The answer comes in one page, without `next_cursor`.
   */
  compare?: "previous" | BeforeRange | Period | null;
  /** Absent: the whole range as one. */
  interval?: "minute" | "hour" | "day" | "week" | "month" | null;
  /** The day that weeks begin on, with the interval `week`. */
  week_start?: "monday" | "sunday";
  /** IANA name; buckets start at this zone's midnights and full hours. */
  timezone?: string;
  /**
   * `entry_page`, `exit_page` (paths of the entry and exit event), `channel` (such as direct, search,
   * paid_search, social, email, ai, referral), `referrer` (referring domain, unless it is the site's own),
   * or a field of the entry event.
   */
  breakdown?: string[];
  /**
   * Keep this many groups of a breakdown, those with the most sessions over the whole range (ties in order
   * of their values, null last).
   */
  top?: number;
  /** With a breakdown: one more group, `other`, holds the rest. */
  other?: boolean;
  /** Without breakdown: empty buckets from since to until are rows, too, with zeros. */
  fill?: boolean;
}

/** A site's rule. */
export interface SetRule {
  site_id?: string;
  /** Change nothing, and only count what would be removed. */
  dry_run?: boolean;
  /** Days for which events of the site are kept; null: for ever. */
  days: number | null;
  /**
   * Whether rollups of the site stay when its events go; null: as TALLYSTICK_RETENTION_ROLLUPS says. Left
   * out: as the site's rule says until now. Not on ClickHouse.
   */
  keep_rollups?: boolean | null;
}

/** The fields of a share link that a client sends. */
export interface ShareFields {
  /** The recipient of the link. */
  name: string;
  /** When the link stops working; absent: never. */
  expires_at?: string | null;
}

/** Share links of a board, the oldest first. */
export interface ShareList {
  shares: ShareSummary[];
}

/** A share link without its token. */
export interface ShareSummary {
  id: string;
  name: string;
  created_at: string;
  expires_at: string | null;
  /** Accurate to a minute; null: never used. */
  last_used_at: string | null;
}

/** What a share link shows: a board and its reports, in the order of its tiles. */
export interface SharedBoard {
  board: SharedPage;
  reports: SharedReport[];
  expires_at: string | null;
}

/** What a share link shows of its board. */
export interface SharedPage {
  name: string;
  description: string;
  tiles: Tile[];
}

/** What a share link shows of a report: what its chart is drawn with, without filters and description. */
export interface SharedReport {
  id: string;
  name: string;
  /** The kind of the query, what it measures and how that is grouped; without every filter. */
  question: Record<string, unknown>;
  range: string;
  timezone: string;
  /** How the dashboard draws it; without every filter. */
  view: Record<string, unknown>;
  updated_at: string;
}

/** How to run a report through a share link. */
export interface SharedRunOrder {
  range?: "today" | "yesterday" | "24h" | "7d" | "30d" | "90d" | "12mo" | "week" | "last_week" | "month" | "last_month" | "year" | "all" | null;
}

/** For how long events of a site are kept. */
export interface SiteRetention {
  site_id: string;
  /** null: for ever. */
  days: number | null;
  /** Whether rollups stay when their events go; null: as `default_keep_rollups` says. */
  keep_rollups: boolean | null;
}

/** A role on a site. */
export interface SiteRole {
  site_id: string;
  role: Role;
}

/** Which id. */
export interface Split {
  /** As it was sent: an id of the person. */
  user_id: string;
  site_id?: string;
}

/** One SELECT over the views that `GET /v1/sql/schema` describes, in the store's own SQL. */
export interface SqlQuery {
  /** One SELECT. */
  sql: string;
  /** Only the rows of this site. Absent: of every site that the caller may read. */
  site_id?: string | null;
  /** The most rows of the answer. Absent, or above TALLYSTICK_SQL_ROWS: TALLYSTICK_SQL_ROWS. */
  limit?: number | null;
}

/** The result of a statement. docs/use/sql.md says how values of each type are written. */
export interface SqlResult {
  columns: ColumnShape[];
  rows: unknown[][];
  truncated: boolean;
  elapsed_ms: number;
  /**
   * Retention removed the events of before and kept their rollups, which no statement reads. Absent if it
   * did not.
   */
  events_from: string | null;
}

/** What statements may read, and whether they are answered. */
export interface SqlSchema {
  enabled: boolean;
  dialect: "duckdb" | "postgres" | "clickhouse";
  views: ViewShape[];
  examples: ExampleShape[];
}

/**
 * How many persons were active in exactly 1, 2, 3… of the periods from `since` to `until`.
 *
 * `since` and `until` are not moved to the edges of periods, so the first and the last period may be short.
 * Without
 * them, the first and the last period are those of the first and the newest event. Row n has `users`, the
 * persons
 * active in exactly n periods; `at_least`, those active in n or more; and `share`, `users` divided by all
 * persons.
 */
export interface StickinessQuery {
  /** null: every site that the caller may read. */
  site_id?: string | null;
  /** Event time, included. Absent: from the first event. */
  since?: string | null;
  /** Event time, excluded. Absent: up to the newest event. */
  until?: string | null;
  /** At most 200 conditions, nested at most 10 deep. */
  filter?: Condition | AllOf | AnyOf | null;
  /**
   * Whether the events of bots (`properties.$bot` is true) count. Absent: as TALLYSTICK_BOTS says, by
   * default `exclude`; lists of events, keys and values, and queries that name `$bot`, include them.
   */
  bots?: "exclude" | "include" | null;
  /** IANA name. Days, weeks and months begin at midnight in this zone. */
  timezone?: string;
  /** The day that weeks begin on, with the interval `week`. */
  week_start?: "monday" | "sunday";
  kind: "stickiness";
  interval?: "day" | "week" | "month";
}

/** Users who were active in exactly, and in at least, so many periods. */
export interface StickinessRow {
  periods: number;
  users: number;
  at_least: number;
  share: number | null;
}

/** A report's position and size on a board, in a grid of four columns. */
export interface Tile {
  report_id: string;
  width: number;
  height: number;
}

/** The token of a link, the part after its #. */
export interface Token {
  token: string;
}

/** One user of a `people` query. */
export interface UserRow {
  user_id: string;
  first_seen: string;
  last_seen: string;
  events: number;
  sessions: number;
}

/** A field's value, and how many events have it. */
export interface ValueRow {
  value: string | number | boolean | null;
  events: number;
}

/**
 * Which values a field has, the most frequent first: for filter pickers. Reads a sample of the newest
 * events.
 *
 * The sample is taken from the site and the time range, and the filter is applied to the sample. A
 * property's value
 * has the type that a filter takes (text, number or boolean); arrays and objects are returned as their JSON
 * text.
 */
export interface ValuesQuery {
  /** null: every site that the caller may read. */
  site_id?: string | null;
  /** Event time, included. Absent: from the first event. */
  since?: string | null;
  /** Event time, excluded. Absent: up to the newest event. */
  until?: string | null;
  /** At most 200 conditions, nested at most 10 deep. */
  filter?: Condition | AllOf | AnyOf | null;
  /**
   * Whether the events of bots (`properties.$bot` is true) count. Absent: as TALLYSTICK_BOTS says, by
   * default `exclude`; lists of events, keys and values, and queries that name `$bot`, include them.
   */
  bots?: "exclude" | "include" | null;
  kind: "values";
  field: string;
  /** Only values that contain this text, ignoring case. */
  search?: string | null;
  sample?: number;
  limit?: number;
}

/** The result of `tallystick verify`. `ok` is true when there is no difference. */
export interface Verification {
  ok: boolean;
  ledger: Ledger;
  differences: Difference[];
}

/** A column of a view. */
export interface ViewColumnShape {
  name: string;
  type: string;
  description: string;
}

/** A view. */
export interface ViewShape {
  name: string;
  description: string;
  columns: ViewColumnShape[];
}

/** The queries that `POST /v1/query` answers, by their kind. */
export interface QueryByKind {
  metrics: MetricsQuery;
  events: EventsQuery;
  keys: KeysQuery;
  values: ValuesQuery;
  sessions: SessionsQuery;
  paths: PathsQuery;
  people: PeopleQuery;
  person: PersonQuery;
  funnel: FunnelQuery;
  funnel_users: FunnelUsersQuery;
  retention: RetentionQuery;
  lifecycle: LifecycleQuery;
  stickiness: StickinessQuery;
  active_users: ActiveUsersQuery;
}

/** A row of the answer to each kind of query. */
export interface RowByKind {
  metrics: MetricsRow;
  sessions: MetricsRow;
  events: EventRow;
  keys: KeyRow;
  values: ValueRow;
  people: UserRow;
  person: Person;
  paths: PathRow;
  funnel: FunnelRow;
  funnel_users: FunnelUserRow;
  retention: RetentionRow;
  lifecycle: LifecycleRow;
  stickiness: StickinessRow;
  active_users: ActiveUsersRow;
}
