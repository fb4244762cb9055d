import { countryName } from "../../format/names";
import { type Filter, filterFor, PROPERTY } from "../../scope/filters";

/** What the overview's panels break down by. Nothing here sends a query or draws. */

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
  /** How a value is shown. */
  name?: (value: string) => string;
  /** What a missing value means. */
  none?: string;
  /** The filter that a click on a value means; absent: the one for its field. */
  filter?: (value: string) => Filter;
  /** Why a click cannot filter by it. */
  fixed?: string;
  /** Chosen in a list behind this tab's name, as UTM tags are. */
  group?: string;
}

export interface Panel {
  id: string;
  title: string;
  tabs: readonly Tab[];
}

const property = (...names: string[]) => names.map((name) => PROPERTY + name);

const AGENT = "TALLYSTICK_ENRICH_AGENT=true reads it from the User-Agent of browsers.";
const PAGE = "TALLYSTICK_ENRICH_PAGE=true takes it from the page's address.";
const OF_SESSIONS = "belong to whole sessions, and filters pick single events: these rows cannot be clicked.";

function utm(tag: string, label: string): Tab {
  return {
    id: `utm_${tag}`,
    label,
    group: "Campaigns",
    of: "sessions",
    fields: property(`utm_${tag}`),
    absent: `No event has a utm_${tag}: ${PAGE}`,
    none: "No tag",
  };
}

export const PANELS: readonly Panel[] = [
  {
    id: "pages",
    title: "Pages",
    tabs: [
      { id: "top", label: "Top", noun: "Page", of: "events", fields: ["path"], none: "No page" },
      {
        id: "entry",
        label: "Entry",
        noun: "Entry page",
        of: "sessions",
        fields: ["entry_page"],
        fixed: `Entry pages ${OF_SESSIONS}`,
        none: "No page",
      },
      {
        id: "exit",
        label: "Exit",
        noun: "Exit page",
        of: "sessions",
        fields: ["exit_page"],
        fixed: `Exit pages ${OF_SESSIONS}`,
        none: "No page",
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
        name: (value) => value.charAt(0).toUpperCase() + value.slice(1),
        fixed: `Channels ${OF_SESSIONS}`,
      },
      {
        id: "referrer",
        label: "Referrers",
        noun: "Referrer",
        of: "sessions",
        fields: ["referrer"],
        none: "Direct or unknown",
        filter: (value) => filterFor(`${PROPERTY}$referring_domain`, value),
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
        none: "Unknown",
      },
      {
        id: "os",
        label: "OS",
        noun: "Operating system",
        of: "events",
        fields: property("$os", "os"),
        absent: `No event has an operating system: ${AGENT}`,
        none: "Unknown",
      },
      {
        id: "device",
        label: "Device",
        of: "events",
        fields: property("$device_type", "device_type", "device"),
        absent: `No event has a type of device: ${AGENT}`,
        none: "Unknown",
      },
      { id: "sender", label: "Sender", of: "events", fields: ["source"] },
    ],
  },
];

/** Sessions know a channel and a referrer by themselves; without these properties every session is a direct one. */
export const SOURCE_KEYS = ["$referring_domain", "utm_source", "utm_medium", "utm_campaign", "$ad_click"];
export const NO_SOURCES =
  "No event has a referrer or campaign tags: TALLYSTICK_ENRICH_PAGE=true reads them from the addresses that the snippet sends.";

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

export function absence(tab: Tab): string {
  return tab.absent ?? NO_SOURCES;
}

/** The filter that a click on a value means; null where none says the same. */
export function filterOf(tab: Tab, field: string, value: string | null): Filter | null {
  if (tab.fixed !== undefined) return null;
  // Nearly every session has some event without the tag: that it is missing cannot be filtered by.
  if (value === null && tab.of === "sessions") return null;
  return value !== null && tab.filter ? tab.filter(value) : filterFor(field, value);
}
