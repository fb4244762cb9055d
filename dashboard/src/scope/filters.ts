import type { QueryFilter } from "../api/query";
import type { Condition } from "../api/types";

/** Filters of the dashboard: the value is always text, as a reader types or clicks it. */

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

/** The label of a field. */
export function fieldLabel(field: string): string {
  return NAMES[field] ?? (field.startsWith(PROPERTY) ? field.slice(PROPERTY.length) : field);
}

export function takesValue(op: Op): boolean {
  return op !== "set" && op !== "not_set";
}

/** Whether the API would take it: an unfinished one is left out of queries. */
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

/** All filters as one condition of the API; undefined when there is no complete filter. */
export function toApi(filters: readonly Filter[]): QueryFilter | undefined {
  const parts = filters.filter(isComplete).map(one);
  return parts.length > 1 ? { all: parts } : parts[0];
}

/** A property with the text `5` may have been sent as text or as number: the condition accepts both. */
function one({ field, op, value }: Filter): QueryFilter {
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

function typedValue(text: string): boolean | number | undefined {
  if (text === "true" || text === "false") return text === "true";
  return /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text) && Number.isFinite(Number(text))
    ? Number(text)
    : undefined;
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

/** The filter that `toText` wrote; null for any other text. */
export function fromText(text: string): Filter | null {
  const match = /^([^:]+):(=|!=|contains|>|<|set|not_set)(?::([\s\S]*))?$/.exec(text);
  if (!match) return null;
  const op = OPS.find((one) => one === match[2]) ?? "=";
  const field = (match[1] ?? "").replaceAll("%3A", ":").replaceAll("%25", "%");
  if (!isField(field)) return null;
  const filter = { field, op, value: takesValue(op) ? (match[3] ?? "") : "" };
  return isComplete(filter) ? filter : null;
}
