import { useState } from "react";
import { Link } from "wouter";
import type { EventRow } from "../../api/types";
import { Json } from "../display/Json";
import { eventId, shortValue } from "./events";
import { Drawer } from "../overlays/Drawer";
import { clock, moment } from "../../format/time";
import { useSearch } from "../../scope/address";
import { pageHref } from "../../scope/scope";
import "./EventTable.css";

/** Rows of single events; one opens to everything that is known of it. */
export function EventTable({
  events,
  zone,
  timeOnly = false,
  fresh,
  linked = true,
}: {
  events: EventRow[];
  zone: string;
  timeOnly?: boolean;
  /** Events that have just come. */
  fresh?: ReadonlySet<string>;
  /** An event's user leads to their timeline. */
  linked?: boolean;
}) {
  const [open, setOpen] = useState<EventRow | null>(null);
  return (
    <div className="table-scroll">
      <table className={timeOnly ? "table events" : "table events dated"}>
        <thead>
          <tr>
            <th scope="col">Time</th>
            <th scope="col">Event</th>
            <th scope="col">User</th>
            <th scope="col">Page</th>
            <th scope="col">Source</th>
            <th scope="col">Properties</th>
          </tr>
        </thead>
        <tbody>
          {events.map((event) => (
            <tr
              key={eventId(event)}
              className={fresh?.has(eventId(event)) ? "clickable fresh-row" : "clickable"}
              onClick={() => setOpen(event)}
            >
              <td className="time" title={event.timestamp}>
                {timeOnly ? clock(event.timestamp, zone) : moment(event.timestamp, zone)}
              </td>
              <td>
                <button
                  type="button"
                  className="row-button"
                  onClick={(click) => {
                    click.stopPropagation();
                    setOpen(event);
                  }}
                >
                  {event.name}
                </button>
              </td>
              <td>{event.user_id ?? <span className="muted">–</span>}</td>
              <td>{event.path ?? <span className="muted">–</span>}</td>
              <td>{event.source || <span className="muted">–</span>}</td>
              <td className="props">
                {Object.entries(event.properties)
                  .slice(0, 4)
                  .map(([key, value]) => (
                    <span key={key}>
                      {key} <b>{shortValue(value)}</b>{" "}
                    </span>
                  ))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {open && <EventDrawer event={open} zone={zone} linked={linked} onClose={() => setOpen(null)} />}
    </div>
  );
}

export function EventDrawer({
  event,
  zone,
  linked = true,
  onClose,
}: {
  event: EventRow;
  zone: string;
  linked?: boolean;
  onClose: () => void;
}) {
  const search = useSearch();
  return (
    <Drawer title={event.name} onClose={onClose}>
      <dl className="details">
        <dt>Time</dt>
        <dd>{moment(event.timestamp, zone)}</dd>
        <dt>User</dt>
        <dd>
          {event.user_id === null ? (
            <span className="muted">anonymous</span>
          ) : !linked ? (
            event.user_id
          ) : (
            <Link href={pageHref("/ui/users", search, { user: event.user_id })} onClick={onClose}>
              {event.user_id}
            </Link>
          )}
        </dd>
        <dt>Site</dt>
        <dd>{event.site_id}</dd>
        <dt>Event id</dt>
        <dd>{event.event_id}</dd>
      </dl>
      <Json value={event} label="The event as JSON" />
    </Drawer>
  );
}
