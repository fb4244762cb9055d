import { Digits } from "../api/digits";
import type { QueryFilter } from "../api/query";
import type { Condition } from "../api/types";

/** Filters of the dashboard: the value is always text, as a reader types or clicks it. */

export const OPS = ["=", "!=", "contains", "has", ">", "<", "set", "not_set"] as const;
export type Op = (typeof OPS)[number];

export const OP_LABELS: Record<Op, string> = {
  "=": "is",
  "!=": "is not",
  contains: "contains",
  has: "is a list with",
  ">": "greater than",
  "<": "less than",
  set: "is set",
  not_set: "is not set",
};

export interface Filter {
  field: string;
  op: Op;
  value: string;
}

export const COLUMNS = ["name", "source", "path", "user_id", "session_id"] as const;
export const PROPERTY = "properties.";
/** Before the fields that describe the visit of an event; all others describe the event itself. */
export const VISIT = "session.";
/** The fields of a visit that pickers offer. */
export const VISIT_FIELDS = [
  "session.channel",
  "session.referrer",
  "session.entry_page",
  "session.exit_page",
  ...["source", "medium", "campaign", "term", "content"].map((tag) => `session.properties.utm_${tag}`),
] as const;
const VISIT_COLUMNS = ["channel", "referrer", "entry_page", "exit_page", "name", "source", "path"];

const NAMES: Record<string, string> = {
  name: "Event",
  path: "Page",
  source: "Source",
  user_id: "User",
  session_id: "Session",
  site_id: "Site",
};

const VISIT_NAMES: Record<string, string> = {
  channel: "channel",
  referrer: "referrer",
  entry_page: "entry page",
  exit_page: "exit page",
};

/** The field of a session that a filter of visits is about; null if the field describes the event. */
export function visitField(field: string): string | null {
  return field.startsWith(VISIT) ? field.slice(VISIT.length) : null;
}

/** The label of a field. */
export function fieldLabel(field: string): string {
  const ofVisit = visitField(field);
  if (ofVisit !== null) return `visit: ${VISIT_NAMES[ofVisit] ?? fieldLabel(ofVisit)}`;
  return NAMES[field] ?? (field.startsWith(PROPERTY) ? field.slice(PROPERTY.length) : field);
}

export function takesValue(op: Op): boolean {
  return op !== "set" && op !== "not_set";
}

/** The value as a reader sees it: a text may be empty, which is not the same as not set. */
export function valueLabel(value: string): string {
  return value === "" ? "(empty)" : value;
}

export function sameFilter(one: Filter, other: Filter): boolean {
  return one.field === other.field && one.op === other.op && one.value === other.value;
}

/** The filter that a click on this value of a breakdown means. */
export function filterFor(field: string, value: string | null): Filter {
  if (value === null) return { field, op: "not_set", value: "" };
  // A list or an object equals nothing in a filter; its JSON text can be searched.
  return field.startsWith(PROPERTY) && isJsonContainer(value)
    ? { field, op: "contains", value }
    : { field, op: "=", value };
}

function isJsonContainer(text: string): boolean {
  if (!/^[[{]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** All filters as one condition of the API; undefined without filters. */
export function toApi(filters: readonly Filter[]): QueryFilter | undefined {
  const parts = filters.map(one);
  return parts.length > 1 ? { all: parts } : parts[0];
}

/** A property with the text `5` may have been sent as text or as number: the condition accepts both. */
function one({ field, op, value }: Filter): QueryFilter {
  if (!takesValue(op)) return { field, op };
  const typed = field.startsWith(PROPERTY) ? typedValue(value) : undefined;
  if (typed === undefined || op === "contains") return { field, op, value };
  if (op === ">" || op === "<") return { field, op, value: typeof typed === "boolean" ? value : typed };
  const both: Condition[] = [
    { field, op, value },
    { field, op, value: typed },
  ];
  return op === "!=" ? { all: both } : { any: both };
}

function typedValue(text: string): boolean | number | undefined {
  if (text === "true" || text === "false") return text === "true";
  // The API compares every digit; a number of JavaScript would lose some.
  if (/^-?(0|[1-9]\d*)$/.test(text) && !Number.isSafeInteger(Number(text)) && Number.isFinite(Number(text))) {
    return new Digits(text) as unknown as number;
  }
  return /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text) && Number.isFinite(Number(text))
    ? Number(text)
    : undefined;
}

/** Columns that can be filtered by, and that say nothing when they are broken down by. */
const FILTERED = ["site_id", "event_id"];

/** Whether a filter can name a field: one of events, or one of their visits. */
export function isFiltered(text: string): boolean {
  const ofVisit = visitField(text);
  if (ofVisit === null) return FILTERED.includes(text) || isField(text);
  return VISIT_COLUMNS.includes(ofVisit) || (ofVisit.startsWith(PROPERTY) && ofVisit !== PROPERTY);
}

/** The operators that a field can have: only a property may be a list. */
export function opsOf(field: string): readonly Op[] {
  return field.startsWith(PROPERTY) ? OPS : OPS.filter((op) => op !== "has");
}

/** Whether a text names a column of events or one of their properties. */
export function isField(text: string): boolean {
  return COLUMNS.some((column) => column === text) || (text.startsWith(PROPERTY) && text !== PROPERTY);
}

/** `field:op:value`, as the address holds it. */
export function toText({ field, op, value }: Filter): string {
  const name = field.replaceAll("%", "%25").replaceAll(":", "%3A");
  return takesValue(op) ? `${name}:${op}:${value}` : `${name}:${op}`;
}

/** The filter that `toText` wrote; null for any other text. Without a colon after the operator the value is missing. */
export function fromText(text: string): Filter | null {
  const match = /^([^:]+):(=|!=|contains|has|>|<|set|not_set)(?::([\s\S]*))?$/.exec(text);
  if (!match) return null;
  const op = OPS.find((one) => one === match[2]) ?? "=";
  const field = (match[1] ?? "").replaceAll("%3A", ":").replaceAll("%25", "%");
  if (!isFiltered(field) || !opsOf(field).includes(op)) return null;
  if (takesValue(op) !== (match[3] !== undefined)) return null;
  return { field, op, value: match[3] ?? "" };
}
