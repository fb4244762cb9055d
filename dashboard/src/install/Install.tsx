import { useEffect, useId, useState } from "react";
import { Link } from "wouter";
import { may } from "../api/rights";
import { useSession } from "../api/session";
import { useSites } from "../api/sites";
import { Command } from "../components/controls/Command";
import { Tabs } from "../components/controls/Tabs";
import { Ago } from "../components/display/Ago";
import { useParams } from "../scope/scope";
import { useInstall, useNewest } from "./install";
import { filled, SNIPPETS } from "./snippets";
import "./Install.css";

const SCRIPT = "/js/tallystick.js";
const PLACE_HOLDER = "YOUR_WRITE_KEY";
/** The site of events that name none, on a server without keys. */
const DEFAULT = "default";

/** How to send events, in several languages, and whether they arrive. */
export function Install() {
  const id = useId();
  const status = useInstall();
  const { data: session } = useSession();
  const { every, names } = useSites();
  const [params] = useParams();
  const named = params.get("site");
  const own = every ? "" : (names[0] ?? "");
  const [site, setSite] = useState(named === null || named === "*" ? own : named);
  const [key, setKey] = useState("");
  const [chosen, setChosen] = useState("website");
  const snippet = SNIPPETS.find((one) => one.id === chosen) ?? SNIPPETS[0];
  const keyed = status?.write_key ?? false;
  const owns = session !== undefined && session.caller !== "open" && may(session.may, "own", undefined);
  const origin = location.origin;
  const text = filled(snippet?.template ?? "", {
    origin,
    script: status?.snippet_path ?? SCRIPT,
    site: site.trim(),
    key: keyed ? key.trim() || PLACE_HOLDER : "",
  });
  const command = status?.command ?? "tallystick";
  return (
    <section className="card install" aria-labelledby={`${id}-title`}>
      <header className="install-head">
        <h2 id={`${id}-title`}>Send the first event</h2>
        <Light site={site.trim() || own || (keyed ? null : DEFAULT)} />
      </header>
      <div className="install-fields">
        {(every || names.length > 1) && (
          <label className="field">
            <span>Site</span>
            <input
              value={site}
              placeholder={DEFAULT}
              maxLength={255}
              onChange={(e) => setSite(e.target.value)}
            />
          </label>
        )}
        {keyed && (
          <label className="field">
            <span>Write key</span>
            <input
              value={key}
              placeholder={PLACE_HOLDER}
              maxLength={256}
              autoComplete="off"
              spellCheck={false}
              onChange={(e) => setKey(e.target.value)}
            />
          </label>
        )}
      </div>
      {keyed && (
        <p className="muted">
          This server takes events with a write key. It keeps digests of keys alone, so no page can show one
          again: paste one that you have, or make a new one{" "}
          {owns ? (
            <>
              in the <Link href="/ui/settings?tab=keys">settings</Link>
            </>
          ) : (
            <>
              with <code>{command} keys create</code>
            </>
          )}
          . What you paste stays in this page and is not sent.
        </p>
      )}
      <Tabs
        label="Ways to send events"
        value={chosen}
        panel={`${id}-snippet`}
        options={SNIPPETS.map((one) => ({ value: one.id, label: one.label }))}
        onChange={setChosen}
      />
      <div id={`${id}-snippet`} role="tabpanel" aria-label={snippet?.label} className="install-snippet">
        <p className="muted">{snippet?.use}</p>
        <Command label={`the code for ${snippet?.label ?? ""}`} text={text} />
      </div>
      <div className="install-snippet">
        <h3>No site of your own yet?</h3>
        <p className="muted">
          An imaginary shop sends a month of visits. Run this in the folder that the server was started in
          {keyed && (
            <>
              , with the write key in the variable <code>TALLYSTICK_KEY</code>
            </>
          )}
          ; it prints how to remove them again.
        </p>
        <Command
          label="the command that sends demo events"
          text={`${command} demo --days 30${keyed ? "" : " --site demo"} --url ${origin}`}
        />
      </div>
    </section>
  );
}

/** Grey until an event of the site is stored, then green. */
function Light({ site }: { site: string | null }) {
  const { names, every, retry } = useSites();
  const { event } = useNewest(site);
  const fresh = event !== undefined && every && !names.includes(event.site_id);
  // The list of sites does not have it yet: with it the pages show their numbers.
  useEffect(() => {
    if (fresh) retry();
    // eslint-disable-next-line react-hooks/exhaustive-deps -- once for each new site, not for each new function
  }, [fresh]);
  return (
    <p className={event ? "install-light on" : "install-light"} role="status">
      <span className="install-dot" aria-hidden />
      {event ? (
        // One element each: as items of the flex box, their parts would stand apart and lose their spaces.
        <span>
          Events arrive: <b>{event.name}</b>, <Ago at={Date.parse(event.received_at)} />
        </span>
      ) : (
        <span>Waiting for the first event{site ? ` of ${site}` : ""} …</span>
      )}
    </p>
  );
}
