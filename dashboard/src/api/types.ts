/** Shapes of the HTTP API, as docs/http-api.md has them. */

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

export interface Metric {
  kind: MetricKind;
  property?: string;
}

export type Scalar = string | number | boolean;

export interface Condition {
  field: string;
  op: "=" | "!=" | "in" | "contains" | ">" | "<" | "set" | "not_set";
  value?: Scalar | Scalar[];
}

export type ApiFilter = Condition | { all: ApiFilter[] } | { any: ApiFilter[] };

/** Which events a question is about; `site_id` absent is what the read key may see, null every site. */
export interface Scope {
  site_id?: string | null;
  since?: string;
  until?: string;
  filter?: ApiFilter;
}

export interface MetricsQuestion extends Scope {
  kind: "metrics";
  metrics: Metric[];
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

export type Question = MetricsQuestion | EventsQuestion | KeysQuestion | ValuesQuestion;

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
