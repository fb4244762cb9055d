/** Shapes of the HTTP API, as docs/use/http-api.md has them. */

export type Interval = "minute" | "hour" | "day" | "week" | "month";

export type MetricKind =
  | "events"
  | "users"
  | "sessions"
  | "events_per_user"
  | "sum"
  | "avg"
  | "min"
  | "max"
  | "median"
  | "p90"
  | "p95";

export type Scalar = string | number | boolean;

export interface Condition {
  field: string;
  op: "=" | "!=" | "in" | "contains" | ">" | "<" | "set" | "not_set";
  value?: Scalar | Scalar[];
}

export type ApiFilter = Condition | { all: ApiFilter[] } | { any: ApiFilter[] };

export interface Metric {
  kind: MetricKind;
  property?: string;
  /** Its column in the answer; absent: `events`, `sum(amount)`. */
  name?: string;
  /** Only these events. */
  filter?: ApiFilter;
}

/** Which events a question is about; `site_id` absent is what the read key may see, null every site. */
export interface Scope {
  site_id?: string | null;
  since?: string;
  until?: string;
  filter?: ApiFilter;
}

/** A period to compare with: each row gets `previous`, with its numbers. */
export interface Period {
  since: string;
  until: string;
}

export interface Formula {
  name?: string;
  /** `A / B`: A is the first metric. */
  expression: string;
}

export interface MetricsQuestion extends Scope {
  kind: "metrics";
  metrics: Metric[];
  formulas?: Formula[];
  compare?: Period;
  interval?: Interval;
  timezone?: string;
  breakdown?: string[];
  top?: number;
  other?: boolean;
}

export interface EventsQuestion extends Scope {
  kind: "events";
  user_id?: string;
  ascending?: boolean;
  limit?: number;
  cursor?: string;
}

export interface KeysQuestion extends Scope {
  kind: "keys";
  sample?: number;
  limit?: number;
}

export interface ValuesQuestion extends Scope {
  kind: "values";
  field: string;
  search?: string;
  limit?: number;
}

export type SessionMetric =
  "sessions" | "bounce_rate" | "avg_duration" | "median_duration" | "pages_per_session" | "pages" | "events";

export interface SessionsQuestion extends Scope {
  kind: "sessions";
  metrics?: SessionMetric[];
  compare?: Period;
  interval?: Interval;
  timezone?: string;
  breakdown?: string[];
  top?: number;
  other?: boolean;
}

export type PeopleOrder = "last_seen" | "first_seen" | "events" | "user_id";

export interface PeopleQuestion extends Scope {
  kind: "people";
  search?: string;
  order?: PeopleOrder;
  ascending?: boolean;
  limit?: number;
  cursor?: string;
}

export type Question =
  | MetricsQuestion
  | SessionsQuestion
  | EventsQuestion
  | KeysQuestion
  | ValuesQuestion
  | PeopleQuestion
  | PersonQuestion;

export interface Answer<Row> {
  rows: Row[];
  next_cursor: string | null;
  exact: boolean;
  from_rollup: boolean;
  elapsed_ms: number;
  freshness: { loaded_at: string | null; queue_lag_seconds?: number | null };
}

/** `bucket`, one value per breakdown field, one per metric's label, `other`. */
export type MetricsRow = Record<string, string | number | boolean | null>;

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

/** Seconds, shares from 0 to 1, and counts, as the question's metrics; otherwise as a `MetricsRow`. */
export type SessionsRow = MetricsRow;

export interface PersonRow {
  user_id: string;
  first_seen: string;
  last_seen: string;
  events: number;
  sessions: number;
}

export interface PersonQuestion extends Scope {
  kind: "person";
  /** Any id of the person. */
  user_id: string;
  limit?: number;
}

/** One id of a person; `linked_to` null: it was joined to no other. */
export interface JoinedId {
  user_id: string;
  site_id: string;
  linked_to: string | null;
  linked_at: string | null;
  events: number;
}

export interface Person {
  /** null: sites disagree about it. */
  person_id: string | null;
  /** null: there is no event. */
  first_seen: string | null;
  last_seen: string | null;
  events: number;
  ids: JoinedId[];
  /** Beyond the question's limit too. */
  ids_total: number;
}

export interface KeyRow {
  key: string;
  events: number;
}

export interface ValueRow {
  value: Scalar | null;
  events: number;
}

export interface Ledger {
  accepted: number;
  stored: number;
  duplicates: number;
  conflicts: number;
  dead: number;
  queued: number;
}

export interface Difference {
  check: string;
  message: string;
}

export interface Pipeline {
  ledger: Ledger;
  differences: Difference[];
  queue: { blocks: number; events: number; bytes: number; oldest_age_seconds: number | null };
  rates: { accepted_per_second: number; stored_per_second: number };
  durability: string;
  started_at: string;
  uptime_seconds: number;
  versions: Record<string, string>;
}

export interface Verification {
  ok: boolean;
  ledger: Ledger;
  differences: Difference[];
}

export type DeadState = "dead" | "replayed" | "dropped";

export interface DeadLetter {
  id: number;
  state: DeadState;
  code: string;
  reason: string;
  attempts: number;
  events: number;
  dead_at: string;
  receipt: string;
  index: number | null;
}

export interface DeadLetterDetail extends DeadLetter {
  original: string;
  encoding: "utf-8" | "base64";
}

export interface NotDone {
  id: number;
  code: string;
  message: string;
}
