import { useState } from "react";
import type { QueryScope } from "../../api/query";
import type { EventRow } from "../../api/types";
import { Button } from "../../components/controls/Button";
import { Segmented } from "../../components/controls/Segmented";
import { Card } from "../../components/display/Card";
import { EmptyState } from "../../components/display/EmptyState";
import { ErrorNote } from "../../components/display/ErrorNote";
import { Skeleton } from "../../components/display/Skeleton";
import { EventDrawer } from "../../components/events/EventTable";
import { eventId, shortValue } from "../../components/events/events";
import { usePages } from "../../api/query";
import { clock, longDay } from "../../format/time";
import type { View } from "../../scope/scope";
import "./Timeline.css";

type Order = "newest" | "oldest";

/** What one user did, day by day. */
export function Timeline({ view, user }: { view: View; user: string }) {
  const [order, setOrder] = useState<Order>("newest");
  const [open, setOpen] = useState<EventRow | null>(null);
  const scope: QueryScope = { site_id: view.site };
  const pages = usePages({
    kind: "events",
    user_id: user,
    ascending: order === "oldest",
    limit: 50,
    ...scope,
  });
  const days = new Map<string, EventRow[]>();
  for (const event of pages.rows) {
    const day = longDay(event.timestamp, view.zone);
    days.set(day, [...(days.get(day) ?? []), event]);
  }
  return (
    <Card
      title="Timeline"
      actions={
        <Segmented<Order>
          label="Order"
          value={order}
          onChange={setOrder}
          options={[
            { value: "newest", label: "Newest first" },
            { value: "oldest", label: "Oldest first" },
          ]}
        />
      }
    >
      {pages.error ? (
        <ErrorNote error={pages.error} retry={pages.refetch} />
      ) : pages.loading ? (
        <Skeleton lines={8} height={32} />
      ) : pages.rows.length === 0 ? (
        <EmptyState title="No events of this user" />
      ) : (
        [...days].map(([day, events]) => (
          <section key={day} aria-label={day}>
            <h3 className="timeline-day">{day}</h3>
            <ul className="timeline">
              {events.map((event) => (
                <li key={eventId(event)}>
                  <button type="button" className="timeline-row" onClick={() => setOpen(event)}>
                    <span className="time">{clock(event.timestamp, view.zone)}</span>
                    <span className="name">{event.name}</span>
                    <span className="props">
                      {event.path !== null && <b>{event.path} </b>}
                      {Object.entries(event.properties)
                        .slice(0, 4)
                        .map(([key, value]) => `${key} ${shortValue(value)}`)
                        .join(" · ")}
                    </span>
                  </button>
                </li>
              ))}
            </ul>
          </section>
        ))
      )}
      {pages.hasMore && (
        <div className="more">
          <Button onClick={pages.loadMore} disabled={pages.loadingMore}>
            {pages.loadingMore ? "Loading …" : "Show more"}
          </Button>
        </div>
      )}
      {open && <EventDrawer event={open} zone={view.zone} onClose={() => setOpen(null)} />}
    </Card>
  );
}
