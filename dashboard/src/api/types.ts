/* Written by `make docs` from the OpenAPI document (scripts/api_types.py). Do not edit. */
/* eslint-disable max-lines */

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
  /** IANA name. Days, weeks and months begin at midnight in this zone. */
  timezone?: string;
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

/** True if all parts are true; also true without parts. */
export interface AllOf {
  all: (Condition | AllOf | AnyOf)[];
}

/** True if at least one part is true; false without parts. */
export interface AnyOf {
  any: (Condition | AllOf | AnyOf)[];
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

/** A board as it shall be from now on. */
export interface BoardChange {
  name: string;
  description?: string;
  /** It shows this site's reports; null: any. It stays as it is when a board changes. */
  site_id?: string | null;
  tiles?: Tile[];
  /** That of the version that was edited: 409 when it changed meanwhile. */
  updated_at: string;
}

/** What somebody says of a board. */
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

/** A column of an answer. */
export interface ColumnShape {
  name: string;
  type: string;
}

/** The same columns over the period before. */
export interface ComparedValues {
  bucket?: string;
  [column: string]: unknown;
}

/** A test of one field. A missing property and a null field are `not_set`, and fail all tests but `!=`. */
export interface Condition {
  /** name, source, path, site_id, user_id, session_id, event_id, or properties.<key> */
  field: string;
  op: "=" | "!=" | "in" | "contains" | ">" | "<" | "set" | "not_set";
  /**
   * A list for `in`; absent for `set` and `not_set`. A number is compared with numeric values only, a text
   * with texts in code-point order, a boolean with true and false.
   */
  value?: string | number | boolean | (string | number | boolean)[] | null;
}

/** A dead letter with its bytes. */
export interface DeadLetterDetail {
  id: number;
  state: "dead" | "replayed" | "dropped";
  code: string;
  reason: string;
  /** How often storing it was tried. */
  attempts: number;
  /** 1, or the events of a block that is itself broken. */
  events: number;
  dead_at: string;
  /** The receipt of the block it came in. */
  receipt: string;
  /** Its position in the block; -1: the block itself is broken. */
  index: number;
  /** The canonical line, or the broken block's payload. */
  original: string;
  /** base64 only where the bytes are no UTF-8 text. */
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
  state: "dead" | "replayed" | "dropped";
  code: string;
  reason: string;
  /** How often storing it was tried. */
  attempts: number;
  /** 1, or the events of a block that is itself broken. */
  events: number;
  dead_at: string;
  /** The receipt of the block it came in. */
  receipt: string;
  /** Its position in the block; -1: the block itself is broken. */
  index: number;
}

/** Something that does not add up. */
export interface Difference {
  /** Which check found it: sequence, count, totals, … */
  check: string;
  message: string;
}

/** Dead letters to drop. */
export interface Drop {
  ids: number[];
}

/** What was given up. The rows stay, marked as dropped. */
export interface DropReport {
  dropped: number[];
  not_dropped: NotDone[];
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
  /** Age of the oldest event still queued; null: none waits. */
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

/** A property's key, and how many of the sampled events have it. */
export interface KeyRow {
  key: string;
  events: number;
}

/**
 * Which property keys occur, the most frequent first: for filter pickers. Looks at the newest events only.
 *
 * The newest are those of the site and the time range; the filter picks among them.
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
  kind: "keys";
  /** How many of the newest events are looked at. */
  sample?: number;
  limit?: number;
}

/** The closed books: `accepted = stored + duplicates + dead + queued`. Events, computed from stored rows. */
export interface Ledger {
  accepted: number;
  stored: number;
  /** Events that were stored before, `conflicts` included. */
  duplicates: number;
  /** Duplicates whose payload differs from the event that was stored first. */
  conflicts: number;
  /** Events ever set aside as dead letters, replayed and dropped ones included. */
  dead: number;
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
  /** IANA name. Days, weeks and months begin at midnight in this zone. */
  timezone?: string;
  kind: "lifecycle";
  /** Weeks begin on Monday. */
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

/** What to compute over the events of each row. */
export interface Metric {
  /**
   * `users` and `sessions` count distinct ids (null is no id); `events_per_user` is events that have a user
   * divided by distinct users; sum…p95 take the values of `property` that are JSON numbers; percentiles
   * interpolate; `last_received` is when the newest of the events arrived. Where there are no events (or no
   * numbers), events, users and sessions are 0 and the others null.
   */
  kind?: "events" | "users" | "sessions" | "events_per_user" | "sum" | "avg" | "min" | "max" | "median" | "p90" | "p95" | "last_received";
  /** Key in `properties`; required by sum, avg, min, max, median, p90, p95. */
  property?: string | null;
  /** Only these events, beside the query's own filter. */
  filter?: Condition | AllOf | AnyOf | null;
  /** Its column in the answer; absent: `events`, `sum(amount)`. */
  name?: string | null;
}

/** Metrics, over time and broken down when asked. The kind of query that charts and tables are made of. */
export interface MetricsQuery {
  /** null: every site that the caller may read. */
  site_id?: string | null;
  /** Event time, included. Absent: from the first event. */
  since?: string | null;
  /** Event time, excluded. Absent: up to the newest event. */
  until?: string | null;
  /** At most 200 conditions, nested at most 10 deep. */
  filter?: Condition | AllOf | AnyOf | null;
  kind: "metrics";
  metrics?: Metric[];
  /** Numbers made of each row's metrics, such as `A / B * 100`. */
  formulas?: Formula[];
  /**
   * Add `previous` to each row: the values of another period, the n-th bucket beside the n-th. `previous` is
   * the period of the same length right before (for whole days or months in `timezone`: as many days or
   * months before). Or give a period. Needs `since`; without `until` the range ends now. The answer comes in
   * one page, without `next_cursor`.
   */
  compare?: "previous" | Period | null;
  /** Absent: the whole range as one. Weeks start on Monday. */
  interval?: "minute" | "hour" | "day" | "week" | "month" | null;
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
  /** `next_cursor` of the answer before; every other field unchanged. */
  cursor?: string | null;
}

/** A row of `metrics` or `sessions`: also a value for each breakdown field, metric and formula. */
export interface MetricsRow {
  bucket?: string;
  other?: boolean;
  previous?: ComparedValues;
  [column: string]: unknown;
}

/** A share link as it is told once. */
export interface NewShare {
  id: string;
  name: string;
  created_at: string;
  expires_at: string | null;
  /** Right to a minute; null: never. */
  last_used_at: string | null;
  /** Shown once: only its SHA-256 is kept. */
  token: string;
  /** The page for it, below this server's address. What follows the # reaches no server. */
  url: string;
}

/** A dead letter that was left as it is, and why. */
export interface NotDone {
  id: number;
  code: string;
  message: string;
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
  kind: "person";
  /** Any id of the person. */
  user_id: string;
  /** The most ids in the answer: the person's own, then in the order in which they were linked. */
  limit?: number;
}

/** The whole pipeline at a glance. */
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
  /** Stable word for programs. */
  code: string;
  /** One sentence for people. */
  message: string;
}

/** What waits between the 202 and the store. */
export interface QueueStatus {
  /** Those that other processes have are left out where the queue does not tell them. */
  blocks: number;
  /** null: the queue cannot tell (RabbitMQ, unless nothing waits). */
  events: number | null;
  /** null: as with events. */
  bytes: number | null;
  /** null: nothing waits, or the queue cannot tell. */
  oldest_age_seconds: number | null;
}

/** Means over the last minute, or since the start when that is shorter, counted by this process. */
export interface Rates {
  accepted_per_second: number;
  stored_per_second: number;
}

/** What became of the block that an accepted request's events travel in; others' events may be in it too. */
export interface ReceiptStatus {
  receipt: string;
  state: "queued" | "stored";
  /** Events in the block; null when its details were folded into a sum, or its queue cannot tell. */
  count: number | null;
  stored: number | null;
  duplicates: number | null;
  dead: number | null;
  loaded_at: string | null;
}

/** Dead letters to replay. */
export interface Replay {
  ids: number[];
  /** With a single id: the corrected event, in the form that `GET /v1/dead/{id}` shows. */
  original?: string | null;
}

/** What was put into the queue again. The events count as accepted once more; their ids stay the same. */
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
  /** As it is asked, without since, until, site_id, timezone and cursor. */
  question: Record<string, unknown>;
  range: string;
  timezone: string;
  view: Record<string, unknown>;
  created_at: string;
  updated_at: string;
}

/** A report as it shall be from now on. */
export interface ReportChange {
  name: string;
  description?: string;
  /** null: every site. It stays as it is when a report changes. */
  site_id?: string | null;
  /**
   * Any question, with its `kind`, of at most 32 kB, without since, until and cursor; its site and time zone
   * are the report's.
   */
  question: MetricsQuery | EventsQuery | KeysQuery | ValuesQuery | SessionsQuery | PathsQuery | PeopleQuery | PersonQuery | FunnelQuery | FunnelUsersQuery | RetentionQuery | LifecycleQuery | StickinessQuery | ActiveUsersQuery;
  /** A preset, or two days `YYYY-MM-DD/YYYY-MM-DD`, both included, in the report's time zone. */
  range?: string;
  timezone?: string;
  /** The dashboard's own, at most 16 kB; the server reads none. */
  view?: Record<string, unknown>;
  /** That of the version that was edited: 409 when it changed meanwhile. */
  updated_at: string;
}

/** What somebody says of a report. */
export interface ReportFields {
  name: string;
  description?: string;
  /** null: every site. It stays as it is when a report changes. */
  site_id?: string | null;
  /**
   * Any question, with its `kind`, of at most 32 kB, without since, until and cursor; its site and time zone
   * are the report's.
   */
  question: MetricsQuery | EventsQuery | KeysQuery | ValuesQuery | SessionsQuery | PathsQuery | PeopleQuery | PersonQuery | FunnelQuery | FunnelUsersQuery | RetentionQuery | LifecycleQuery | StickinessQuery | ActiveUsersQuery;
  /** A preset, or two days `YYYY-MM-DD/YYYY-MM-DD`, both included, in the report's time zone. */
  range?: string;
  timezone?: string;
  /** The dashboard's own, at most 16 kB; the server reads none. */
  view?: Record<string, unknown>;
}

/** Reports, the oldest first. */
export interface ReportList {
  reports: Report[];
}

/** The answer to a report's question, and the range that it was asked for. */
export interface ReportResult {
  rows: Record<string, unknown>[];
  next_cursor: string | null;
  /** With `compare`: the period that rows' `previous` is about. */
  previous: Period | null;
  exact: boolean;
  /** Served from the quarter-hour rollup, which equals the raw events. */
  from_rollup: boolean;
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
 * A metrics row has `bucket` (ISO 8601 with offset, when the query has an interval), a value (or null) per
 * breakdown
 * field, a value per metric's and formula's label, `other: true` on rows of the `other` group, and when it
 * is compared
 * `previous`: an object of the same values, and of `bucket`. An events row has the event's fields. A keys
 * row has
 * `key`, `events`; a values row `value`, `events`.
 */
export interface Result {
  rows: Record<string, unknown>[];
  next_cursor: string | null;
  /** With `compare`: the period that rows' `previous` is about. */
  previous: Period | null;
  exact: boolean;
  /** Served from the quarter-hour rollup, which equals the raw events. */
  from_rollup: boolean;
  elapsed_ms: number;
  freshness: Freshness;
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
  /** IANA name. Days, weeks and months begin at midnight in this zone. */
  timezone?: string;
  kind: "retention";
  mode?: "first_time" | "recurring";
  /** Weeks begin on Monday. */
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

/** How a report is asked this time; what is absent is the report's. */
export interface RunOrder {
  range?: string | null;
  timezone?: string | null;
  /** Must hold beside the report's own. */
  filter?: Condition | AllOf | AnyOf | null;
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
 * are the first and the last event. Events of the same instant are in order of `event_id`.
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
  /** What a bounce is: exactly one page view, whatever else happened; or exactly one event. */
  bounce?: "one_page" | "one_event";
  /**
   * Add `previous` to each row: the values of another period, the n-th bucket beside the n-th. `previous` is
   * the period of the same length right before (for whole days or months in `timezone`: as many days or
   * months before). Or give a period. Needs `since`; without `until` the range ends now. The answer comes in
   * one page, without `next_cursor`.
   */
  compare?: "previous" | Period | null;
  /** Absent: the whole range as one. Weeks start on Monday. */
  interval?: "minute" | "hour" | "day" | "week" | "month" | null;
  /** IANA name; buckets start at this zone's midnights and full hours. */
  timezone?: string;
  /**
   * `entry_page`, `exit_page` (paths of the entry and exit event), `channel` (direct, search, social,
   * referral, campaign, email), `referrer` (referring domain), or a field of the entry event.
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

/** What somebody says of a share link. */
export interface ShareFields {
  /** For whom it is. */
  name: string;
  /** From when on it shows nothing; absent: it always does. */
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
  /** Right to a minute; null: never. */
  last_used_at: string | null;
}

/** What a share link shows: a board and its reports, in the order of its tiles. */
export interface SharedBoard {
  board: Board;
  reports: Report[];
  expires_at: string | null;
}

/** How somebody with a share link asks a report. */
export interface SharedRunOrder {
  range?: "today" | "yesterday" | "24h" | "7d" | "30d" | "90d" | "12mo" | "month" | "last_month" | "year" | "all" | null;
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
}

/** What statements may read, and whether they are answered. */
export interface SqlSchema {
  enabled: boolean;
  dialect: "duckdb" | "postgres";
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
  /** IANA name. Days, weeks and months begin at midnight in this zone. */
  timezone?: string;
  kind: "stickiness";
  /** Weeks begin on Monday. */
  interval?: "day" | "week" | "month";
}

/** Users who were active in exactly, and in at least, so many periods. */
export interface StickinessRow {
  periods: number;
  users: number;
  at_least: number;
  share: number | null;
}

/** A report's place on a board, in a grid of four columns. */
export interface Tile {
  report_id: string;
  width: number;
  height: number;
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
 * Which values a field has, the most frequent first: for filter pickers. Looks at the newest events only.
 *
 * The newest are those of the site and the time range; the filter picks among them. A property's value comes
 * as a
 * filter takes it (text, number or boolean), arrays and objects as their JSON text.
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
  kind: "values";
  field: string;
  /** Only values that contain this, whatever the case. */
  search?: string | null;
  sample?: number;
  limit?: number;
}

/** What `tallystick verify` found. `ok` is true when there is no difference. */
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
