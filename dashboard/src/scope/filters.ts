import type { ApiFilter, Condition, Scalar } from "../api/types";

/** Filters as the dashboard has them: the value is the text that people type or click. */

export const OPS = ["=", "!=", "contains", ">", "<", "set", "not_set"] as const;
export type Op = (typeof OPS)[number];

export const OP_LABELS: Record<Op, string> = {
  "=": "is",
  "!=": "is not",
  contains: "contains",
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

const NAMES: Record<string, string> = {
  name: "Event",
  path: "Page",
  source: "Source",
  user_id: "User",
  session_id: "Session",
  site_id: "Site",
};

/** What people call a field. */
export function fieldLabel(field: string): string {
  return NAMES[field] ?? (field.startsWith(PROPERTY) ? field.slice(PROPERTY.length) : field);
}

export function takesValue(op: Op): boolean {
  return op !== "set" && op !== "not_set";
}

/** Whether the API would take it: an unfinished one is left out of questions. */
export function isComplete({ field, op, value }: Filter): boolean {
  return field !== "" && field !== PROPERTY && (!takesValue(op) || value !== "");
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

/** All the filters as one condition of the API; undefined when there is none. */
export function toApi(filters: readonly Filter[]): ApiFilter | undefined {
  const parts = filters.filter(isComplete).map(one);
  return parts.length > 1 ? { all: parts } : parts[0];
}

/** In a property the text `5` may have been sent as the text or as the number: both are meant. */
function one({ field, op, value }: Filter): ApiFilter {
  if (!takesValue(op)) return { field, op };
  const typed = field.startsWith(PROPERTY) ? typedValue(value) : undefined;
  if (typed === undefined || op === "contains") return { field, op, value };
  if (op === ">" || op === "<") return { field, op, value: typeof typed === "number" ? typed : value };
  const both: Condition[] = [
    { field, op, value },
    { field, op, value: typed },
  ];
  return op === "=" ? { any: both } : { all: both };
}

function typedValue(text: string): Scalar | undefined {
  if (text === "true" || text === "false") return text === "true";
  return /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text) && Number.isFinite(Number(text))
    ? Number(text)
    : undefined;
}

/** `field:op:value`, as it stands in the address. */
export function toText({ field, op, value }: Filter): string {
  const name = field.replaceAll("%", "%25").replaceAll(":", "%3A");
  return takesValue(op) ? `${name}:${op}:${value}` : `${name}:${op}`;
}

/** The filter that the text stands for; null when it stands for none. */
export function fromText(text: string): Filter | null {
  const match = /^([^:]+):(=|!=|contains|>|<|set|not_set)(?::([\s\S]*))?$/.exec(text);
  if (!match) return null;
  const op = match[2] as Op;
  const field = (match[1] ?? "").replaceAll("%3A", ":").replaceAll("%25", "%");
  if (
    !(COLUMNS as readonly string[]).includes(field) &&
    !(field.startsWith(PROPERTY) && field !== PROPERTY)
  ) {
    return null;
  }
  const filter = { field, op, value: takesValue(op) ? (match[3] ?? "") : "" };
  return isComplete(filter) ? filter : null;
}
