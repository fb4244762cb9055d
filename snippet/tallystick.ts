/**
 * Tallystick's browser snippet: page views, custom events, and what is needed so that none is lost and none counts twice.
 *
 * An event gets its id and its time when it happens and is kept in memory until the server has answered; while there is
 * no answer it is sent again with the same id. Nothing is stored on the device unless `data-session="tab"` asks for it.
 * docs/use/snippet.md explains the attributes.
 */

type Members = Record<string, unknown>;
/** Name, properties, and other fields of the event such as `user_id`. */
type Call = [name: string, properties?: Members, fields?: Members];
interface Tallystick {
  (...call: Call): void;
  /** Calls that the page made before this script was there. */
  q?: ArrayLike<unknown>[];
  /** The site of the script that runs already. */
  site?: string;
}
declare global {
  interface Window {
    tallystick?: Tallystick;
  }
  interface Document {
    prerendering?: boolean;
  }
  interface Navigator {
    globalPrivacyControl?: boolean;
  }
}

/** The server puts the setting TALLYSTICK_SNIPPET_ENDPOINT in its place. */
const ENDPOINT = "/v1/events";
/** UTF-16 units of a request: at most three bytes each, so that it stays below the 64 KiB that `keepalive` allows. */
const REQUEST_MAX = 2e4;
/** Events that are kept without an answer; beyond them the oldest is dropped. */
const KEPT_MAX = 1e3;
/** Milliseconds between two tries, doubled from the first to the longest. */
const FIRST_PAUSE = 1e3;
const LONGEST_PAUSE = 6e4;

const script = document.currentScript as HTMLScriptElement;
const data = script.dataset;
const site = data.site || "";
const endpoint = data.api || new URL(ENDPOINT, script.src).href;
const earlier = window.tallystick;

/** Calls from before the first page view; undefined from then on. */
let calls: Call[] | undefined = Array.from(earlier?.q || [], (call) => Array.from(call) as Call);

/** Encoded events that are not on their way, oldest first. */
let waiting: string[] = [];
let timer: ReturnType<typeof setTimeout> | undefined;
let pause = 0;
/** Milliseconds since 1970 of the latest event: no two of a page have the same, so that their order is kept. */
let clock = 0;
let session: string | undefined;
let page: string | undefined;
let referrer = document.referrer;
/** When the page last came into view, by performance.now(); 0 while it is hidden. */
let seenSince = 0;

const asked = (attribute: string): boolean => attribute in data;

/** A random UUID; crypto.randomUUID is missing on pages without HTTPS. */
const newId = (): string =>
  "10000000-1000-4000-8000-100000000000".replace(/[018]/g, (digit) =>
    (+digit ^ (crypto.getRandomValues(new Uint8Array(1))[0] & (15 >> (+digit / 4)))).toString(16),
  );

/** Send everything that waits, in as many requests as it takes; `leaving`: the page may be gone in a moment. */
function flush(leaving?: boolean): void {
  clearTimeout(timer);
  timer = undefined;
  while (waiting.length) {
    let count = 0;
    for (let size = 0; count < waiting.length && (size += waiting[count].length) < REQUEST_MAX; ) count++;
    send(waiting.splice(0, count || 1), leaving);
  }
}

async function send(events: string[], leaving?: boolean): Promise<void> {
  // No content type is given, so it is text/plain and the browser need not ask the server for leave first.
  // By `sent_at` the server sees how wrong this device's clock is: it is the time of this try, not of the first one.
  const key = data.key ? `"key":${JSON.stringify(data.key)},` : "";
  const body = `{${key}"sent_at":${JSON.stringify(new Date())},"events":[${events}]}`;
  let status = 0;
  try {
    if (leaving && !("keepalive" in Request.prototype)) {
      navigator.sendBeacon(endpoint, body);
      return;
    }
    const keepalive = body.length < REQUEST_MAX + 500;
    status = (await fetch(endpoint, { method: "POST", body, keepalive, credentials: "omit" })).status;
  } catch {
    // Without an answer nobody knows whether the events arrived: that is status 0.
  }
  if (!status || status > 499 || status == 408 || status == 429) {
    waiting = [...events, ...waiting].slice(-KEPT_MAX);
    if (!timer) {
      pause = Math.min(2 * pause || FIRST_PAUSE, LONGEST_PAUSE);
      timer = setTimeout(() => flush(), pause * (0.5 + Math.random()));
    }
  } else {
    pause = 0;
    if (status > 399) console.error(`tallystick: ${events.length} events refused with status ${status}`);
  }
}

function record(...[name, properties, fields]: Call): void {
  try {
    waiting.push(
      JSON.stringify({
        event_id: newId(),
        name,
        timestamp: new Date((clock = Math.max(Date.now(), clock + 1))),
        site_id: site || undefined,
        session_id: session,
        source: "web",
        path: page,
        properties,
        ...fields,
      }),
    );
  } catch (error) {
    console.error("tallystick:", error); // a property that JSON cannot have must not stop the page
  }
  timer ??= setTimeout(() => flush());
}

/** The time in view since the last `page_leave` of this page: their sum is the time on the page. */
function recordTime(): void {
  const seconds = Math.round((performance.now() - seenSince) / 100) / 10;
  if (asked("time") && seenSince && seconds) record("page_leave", { seconds });
  seenSince = document.hidden ? 0 : performance.now();
}

/** A page view, when this is another page than before. */
function route(): void {
  const { hash, pathname } = location;
  // `#/a` and `#!a` are pages of their own, `#section` is a place on the page that is shown.
  const routed = asked("hash") && (data.hash == "any" || /^#[/!]/.test(hash));
  const next = pathname + (routed ? hash : "");
  const anchor = !routed && asked("hash") && hash && page?.split("#")[0] == pathname;
  if (next == page || anchor) return;
  recordTime();
  page = next;
  // What follows # is not sent, since it may be a secret; but campaign tags may stand there.
  const tags = hash.match(/\b(utm_[a-z]+|[a-z_]+cl[ki]*d|[gw]braid|li_fat_id)=[^&?#]*/g);
  const url = routed ? location.href : location.href.split("#")[0] + (tags ? "#" + tags.join("&") : "");
  record("page_view", { $current_url: url, $referrer: referrer || undefined });
  referrer = url;
}

function leave(): void {
  recordTime();
  seenSince = 0;
  flush(true);
}

function click(event: MouseEvent): void {
  const link = (event.target as Element).closest?.<HTMLAnchorElement | SVGAElement>("a,area");
  const href = link?.href;
  if (!href) return;
  try {
    // A link within an SVG has an object in the place of the text, and its address may be relative.
    const url = new URL(typeof href == "string" ? href : href.baseVal, document.baseURI);
    if (url.protocol.startsWith("http") && url.host != location.host) record("outbound_click", { url: url.href });
  } catch {
    // It leads nowhere.
  }
}

function start(): void {
  for (const method of ["pushState", "replaceState"] as const) {
    const original = history[method];
    history[method] = function (...given) {
      original.apply(this, given);
      route();
    };
  }
  addEventListener("popstate", route);
  addEventListener("pagehide", leave);
  addEventListener("pageshow", (event) => {
    if (event.persisted) {
      page = undefined; // the browser kept the page and shows it again: a view like any other
      route();
    }
  });
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : recordTime()));
  if (asked("outbound")) {
    document.addEventListener("click", click, true);
    document.addEventListener("auxclick", click, true);
  }
  route();
  const before = calls || [];
  calls = undefined;
  for (const call of before) record(...call);
}

const unwanted =
  (asked("dnt") && (navigator.doNotTrack == "1" || navigator.globalPrivacyControl)) ||
  (asked("nobots") && navigator.webdriver);

if (earlier?.site != null) {
  console.error(`tallystick: this page is counted for "${earlier.site}" already, so not for "${site}"`);
} else if (unwanted) {
  window.tallystick = Object.assign(() => {}, { site });
} else {
  window.tallystick = Object.assign((...call: Call) => (calls ? void calls.push(call) : record(...call)), { site });
  if (asked("session")) {
    session = newId();
    try {
      if (data.session == "tab") session = sessionStorage.tallystick ||= session;
    } catch {
      // storage is forbidden: the id lasts as long as the page
    }
  }
  if (document.prerendering) document.addEventListener("prerenderingchange", start, { once: true });
  else start();
}

export {};
