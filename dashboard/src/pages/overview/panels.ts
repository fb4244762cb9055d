import type { QueryFilter } from "../../api/query";
import type { Condition } from "../../api/types";
import type { EnrichmentStatus } from "../../api/types";
import { countryName } from "../../format/names";
import { type Filter, filterFor, PROPERTY, VISIT } from "../../scope/filters";

/** What the overview's panels break down by. Nothing here sends a query or draws. */

type Step = "page" | "agent";

export interface Tab {
  id: string;
  label: string;
  /** What one of its values is; stands above them. */
  noun?: string;
  /** Whether its numbers count events (or their users), or sessions. */
  of: "events" | "sessions";
  /** The fields that may hold it; the first that the events have is taken. A column is always there. */
  fields: readonly string[];
  /** One sentence for a site whose events have none of the fields. */
  absent?: string;
  /** The step of the enrichment that would add it. */
  step?: Step;
  /** How a value is shown. */
  name?: (value: string) => string;
  /** What a missing value means. */
  none?: string;
  /** It counts page views only: other events of a page are not views of it. */
  views?: true;
  /** Chosen in a list behind this tab's name, as UTM tags are. */
  group?: string;
}

export interface Panel {
  id: string;
  title: string;
  tabs: readonly Tab[];
}

/** The names of events that are page views, as the server has them by default. */
const PAGE_VIEWS: Condition = { field: "name", op: "in", value: ["page_view", "$pageview", "pageview"] };

/** The filter of the events that a tab counts. */
export function countedBy(tab: Tab, filter: QueryFilter | undefined): QueryFilter | undefined {
  if (!tab.views) return filter;
  return filter ? { all: [filter, PAGE_VIEWS] } : PAGE_VIEWS;
}

const property = (...names: string[]) => names.map((name) => PROPERTY + name);

const AGENT = "it is read from the User-Agent of browsers.";
const PAGE = "it is taken from the page's address.";

function utm(tag: string, label: string): Tab {
  return {
    id: `utm_${tag}`,
    label,
    group: "Campaigns",
    of: "sessions",
    fields: property(`utm_${tag}`),
    absent: `No event has a utm_${tag}: ${PAGE}`,
    step: "page",
    none: "No tag",
  };
}

/** Channels whose names are more than their words with a capital. */
const CHANNEL_NAMES: Readonly<Record<string, string>> = {
  ai: "AI assistants",
  sms: "SMS",
  affiliate: "Affiliates",
};

export function channelName(channel: string): string {
  const words = channel.replaceAll("_", " ");
  return CHANNEL_NAMES[channel] ?? words.charAt(0).toUpperCase() + words.slice(1);
}

export const PANELS: readonly Panel[] = [
  {
    id: "pages",
    title: "Pages",
    tabs: [
      { id: "top", label: "Top", noun: "Page", of: "events", fields: ["path"], none: "No page", views: true },
      {
        id: "entry",
        label: "Entry",
        noun: "Entry page",
        of: "sessions",
        fields: ["entry_page"],
        none: "No page",
      },
      {
        id: "exit",
        label: "Exit",
        noun: "Exit page",
        of: "sessions",
        fields: ["exit_page"],
        none: "No page",
      },
      {
        id: "host",
        step: "page",
        label: "Hosts",
        noun: "Host",
        of: "events",
        fields: property("$host", "host", "hostname"),
        absent: `No event has a host: ${PAGE}`,
        none: "Unknown",
      },
    ],
  },
  {
    id: "sources",
    title: "Sources",
    tabs: [
      {
        id: "channel",
        label: "Channels",
        noun: "Channel",
        of: "sessions",
        fields: ["channel"],
        name: channelName,
      },
      {
        id: "referrer",
        label: "Referrers",
        noun: "Referrer",
        of: "sessions",
        fields: ["referrer"],
        none: "Direct or unknown",
      },
      utm("source", "UTM source"),
      utm("medium", "UTM medium"),
      utm("campaign", "UTM campaign"),
      utm("term", "UTM term"),
      utm("content", "UTM content"),
    ],
  },
  {
    id: "locations",
    title: "Locations",
    tabs: [
      {
        id: "country",
        label: "Countries",
        noun: "Country",
        of: "events",
        fields: property("$geoip_country_code", "country_code", "country"),
        absent:
          "No event has a country: TALLYSTICK_ENRICH_COUNTRY_FILE names a file that maps addresses to countries, which " +
          "is not stored.",
        name: countryName,
        none: "Unknown",
      },
    ],
  },
  {
    id: "devices",
    title: "Devices",
    tabs: [
      {
        id: "browser",
        label: "Browser",
        of: "events",
        fields: property("$browser", "browser"),
        absent: `No event has a browser: ${AGENT}`,
        step: "agent",
        none: "Unknown",
      },
      {
        id: "os",
        label: "OS",
        noun: "Operating system",
        of: "events",
        fields: property("$os", "os"),
        absent: `No event has an operating system: ${AGENT}`,
        step: "agent",
        none: "Unknown",
      },
      {
        id: "device",
        label: "Device",
        of: "events",
        fields: property("$device_type", "device_type", "device"),
        absent: `No event has a type of device: ${AGENT}`,
        step: "agent",
        none: "Unknown",
      },
      { id: "sender", label: "Sender", of: "events", fields: ["source"] },
    ],
  },
];

/** Sessions know a channel and a referrer by themselves; without these properties every session is a direct one. */
export const SOURCE_KEYS = ["$referring_domain", "utm_source", "utm_medium", "utm_campaign", "$ad_click"];
export const NO_SOURCES =
  "No event has a referrer or campaign tags: they are read from the addresses that the snippet sends.";

/** The field that the tab is about, given the property keys that the events have; null when they have none of them. */
export function fieldOf(tab: Tab, keys: ReadonlySet<string>): string | null {
  if (tab.id === "channel" || tab.id === "referrer") {
    const told = tab.id === "referrer" ? SOURCE_KEYS.slice(0, 1) : SOURCE_KEYS;
    if (!told.some((key) => keys.has(key))) return null;
  }
  return (
    tab.fields.find((field) => !field.startsWith(PROPERTY) || keys.has(field.slice(PROPERTY.length))) ?? null
  );
}

/** Why a tab is empty; where its step of the enrichment is off, which setting is. */
export function absence(tab: Tab, enrichment: EnrichmentStatus | undefined): string {
  const step = tab.step ?? (tab.absent === undefined ? "page" : undefined);
  const off = step !== undefined && enrichment?.[step] === "false";
  const why = tab.absent ?? NO_SOURCES;
  return off ? `${why} TALLYSTICK_ENRICH_${step.toUpperCase()}=false turns that off on this server.` : why;
}

/** The filter that a click on a value means: of the visit where the tab counts visits, of the event elsewhere. */
export function filterOf(tab: Tab, field: string, value: string | null): Filter {
  return filterFor(tab.of === "sessions" ? VISIT + field : field, value);
}
