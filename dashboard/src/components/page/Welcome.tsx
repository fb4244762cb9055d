import { Command } from "../controls/Command";
import { EmptyState } from "../display/EmptyState";
import "./Welcome.css";

/** What to do on a server that has no events yet. */
export function Welcome({ site }: { site: string | null | undefined }) {
  const named = site ? `"site_id":${JSON.stringify(site)},` : "";
  const event = `{${named}"name":"page_view","user_id":"u1","path":"/"}`.replaceAll("'", "\\u0027");
  return (
    <section className="card welcome">
      <EmptyState title="No events yet">
        <p>Send the first one, and it appears here within seconds.</p>
      </EmptyState>
      <Command
        label="the command that sends an event"
        text={`curl ${location.origin}/v1/events -d '${event}'`}
      />
      <p className="muted">Or let an imaginary shop send some:</p>
      <Command label="the command that sends demo events" text={`tallystick demo --url ${location.origin}`} />
    </section>
  );
}
