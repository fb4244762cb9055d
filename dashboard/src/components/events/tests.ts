import type { EventTest } from "../../api/types";
import {
  fieldLabel,
  type Filter,
  fromText,
  OP_LABELS,
  takesValue,
  toApi,
  toText,
  valueLabel,
} from "../../scope/filters";

/** Which events a step means: those of a name that pass filters. */

export interface Test {
  /** Empty: events of any name. */
  name: string;
  filters: Filter[];
}

export const ANY: Test = { name: "", filters: [] };

/** `name;filter;filter`, as it stands in the address. */
export function testText({ name, filters }: Test): string {
  return [name, ...filters.map(toText)].map(escaped).join(";");
}

/** The filters of such a text that cannot be read. */
export function brokenFilters(text: string): string[] {
  return text
    .split(";")
    .slice(1)
    .map(unescaped)
    .filter((filter) => fromText(filter) === null);
}

export function testFrom(text: string): Test {
  const [name = "", ...filters] = text.split(";").map(unescaped);
  return { name, filters: filters.map(fromText).filter((filter) => filter !== null) };
}

function escaped(part: string): string {
  return part.replaceAll("%", "%25").replaceAll(";", "%3B");
}

function unescaped(part: string): string {
  return part.replaceAll("%3B", ";").replaceAll("%25", "%");
}

/** As the API takes it. */
export function testQuery({ name, filters }: Test): EventTest {
  const filter = toApi(filters);
  return { ...(name === "" ? {} : { name }), ...(filter ? { filter } : {}) };
}

/** In words: `purchase, amount greater than 20`. */
export function testLabel({ name, filters }: Test): string {
  const words = filters.map(
    ({ field, op, value }) =>
      `${fieldLabel(field)} ${OP_LABELS[op]}${takesValue(op) ? ` ${valueLabel(value)}` : ""}`,
  );
  return [name || "Any event", ...words].join(", ");
}
