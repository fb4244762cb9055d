import type { AccessKey, KeyFields, QuotaChange } from "../../../api/types";
import { coversAll } from "../../../api/rights";
import { exact } from "../../../format/number";

/** What a key is made of: the form's state, the request's fields, and both as words. */

type Right = AccessKey["rights"][number];

export interface QuotaForm {
  /** What a write key may send a second, as it was typed; empty: what the server's settings say. */
  eventsPerSecond: string;
  bytesPerSecond: string;
}

export interface KeyForm extends QuotaForm {
  name: string;
  kind: AccessKey["kind"];
  every: boolean;
  sites: string[];
  rights: Right[];
  /** Origins of web pages, separated by white space or commas. */
  origins: string;
}

export const NEW_KEY: KeyForm = {
  name: "",
  kind: "write",
  every: false,
  sites: [],
  rights: [],
  origins: "",
  eventsPerSecond: "",
  bytesPerSecond: "",
};

export const KINDS: readonly { value: AccessKey["kind"]; label: string }[] = [
  { value: "write", label: "Send events" },
  { value: "read", label: "Read" },
  { value: "admin", label: "Administer everything" },
];

export const RIGHTS: readonly { value: Right; label: string }[] = [
  { value: "edit", label: "Save reports and boards" },
  { value: "sql", label: "Run SQL" },
  { value: "export", label: "Export events" },
  { value: "erase", label: "Split joined ids, take imports back" },
];

/** What a read key may be given: to erase spans all sites. */
export const rightsFor = (every: boolean) => RIGHTS.filter(({ value }) => every || value !== "erase");

/** The origins in a text; a slash at the end is no part of one. */
export function originsIn(text: string): string[] {
  const found = text.split(/[\s,]+/).filter((one) => one !== "");
  return [...new Set(found.map((one) => one.replace(/\/$/, "")))];
}

/** The request's fields: those that the kind has no use for are empty, whatever the form held before. */
export function fieldsOf(form: KeyForm): KeyFields {
  const { name, kind, every, sites, rights, origins } = form;
  return {
    name: name.trim(),
    kind,
    sites: kind === "admin" || every ? ["*"] : sites,
    rights: kind === "read" ? rights.filter((right) => every || right !== "erase") : [],
    origins: kind === "write" ? originsIn(origins) : [],
    events_per_second: kind === "write" ? rateIn(form.eventsPerSecond) : null,
    bytes_per_second: kind === "write" ? rateIn(form.bytesPerSecond) : null,
  };
}

type Quota = Pick<AccessKey, "events_per_second" | "bytes_per_second">;

/** The form that shows the quota of a key. */
export const quotaForm = (key: Quota): QuotaForm => ({
  eventsPerSecond: key.events_per_second?.toString() ?? "",
  bytesPerSecond: key.bytes_per_second?.toString() ?? "",
});

/** The request that gives a key the quota of the form. */
export const changedQuota = (form: QuotaForm): QuotaChange => ({
  events_per_second: rateIn(form.eventsPerSecond),
  bytes_per_second: rateIn(form.bytesPerSecond),
});

const rateIn = (text: string) => (text.trim() === "" ? null : Number(text));

/** What a key may send a second, such as "at most 50 events/s"; empty: what the server's settings say. */
export function quotaOf(key: Quota): string {
  const rates = [
    { rate: key.events_per_second, what: "events/s" },
    { rate: key.bytes_per_second, what: "bytes/s" },
  ];
  return rates
    .flatMap(({ rate, what }) =>
      rate === null ? [] : [rate === 0 ? `any number of ${what}` : `at most ${exact(rate)} ${what}`],
    )
    .join(", ");
}

/** Whether the form says for which sites the key is. */
export const isComplete = ({ name, kind, every, sites }: KeyForm) =>
  name.trim() !== "" && (kind === "admin" || every || sites.length > 0);

/** What the key may do, such as "Reads shop; may also run SQL". */
export function purposeOf({
  kind,
  sites,
  rights,
  origins,
}: Pick<AccessKey, "kind" | "sites" | "rights" | "origins">): string {
  if (kind === "admin") return "Administers everything";
  const of = coversAll(sites) ? "every site" : sites.join(", ");
  if (kind === "write")
    return origins.length === 0 ? `Sends to ${of}` : `Sends to ${of} from ${origins.join(", ")}`;
  const more = RIGHTS.filter(({ value }) => rights.includes(value)).map(
    ({ label }) => label.charAt(0).toLowerCase() + label.slice(1),
  );
  return more.length === 0 ? `Reads ${of}` : `Reads ${of}; may also ${more.join(", ")}`;
}
