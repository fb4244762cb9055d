import { Site } from "../../parts/Site";
import { Pause, Play } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { numberIn, useAnswer } from "../../api/hooks";
import type { EventRow, Scope } from "../../api/types";
import { TimeChart } from "../../charts/TimeChart";
import { seriesColour } from "../../charts/palette";
import { exact, short } from "../../format/number";
import { EventTable } from "../../parts/EventTable";
import { eventId } from "../../parts/events";
import { Fresh, PageHead } from "../../parts/PageHead";
import { ZonePicker } from "../../parts/RangePicker";
import { useView } from "../../scope/scope";
import { Button, Card, ErrorNote, Nothing, Skeleton } from "../../ui/basics";

const EVERY = 2_000;
const WINDOW = 30;
const MINUTE = 60_000;

export default function Live() {
  const view = useView();
  const [paused, setPaused] = useState(false);
  const minute = useMinute();
  const refresh = paused ? false : EVERY;
  const scope: Scope = view.site === undefined ? {} : { site_id: view.site };
  const recent: Scope = {
    ...scope,
    since: new Date(minute - WINDOW * MINUTE).toISOString(),
    until: new Date(minute).toISOString(),
  };
  const newest = useAnswer(view.ready ? { kind: "events", limit: 25, ...scope } : null, { refresh });
  const users = useAnswer(
    view.ready ? { kind: "metrics", metrics: [{ kind: "users" }, { kind: "events" }], ...recent } : null,
    { refresh },
  );
  const minutes = useAnswer(
    view.ready
      ? { kind: "metrics", metrics: [{ kind: "events" }], interval: "minute", timezone: view.zone, ...recent }
      : null,
    { refresh },
  );
  const events = newest.answer?.rows;
  const fresh = useNew(events);
  const online = numberIn(users.answer?.rows[0], "users");
  const rows = minutes.answer?.rows ?? [];
  return (
    <>
      <PageHead title="Live" view={view} note={<Fresh asked={newest} zone={view.zone} />}>
        <ZonePicker view={view} />
        <Button onClick={() => setPaused(!paused)} aria-pressed={paused}>
          {paused ? <Play size={14} aria-hidden /> : <Pause size={14} aria-hidden />}
          {paused ? "Go on" : "Pause"}
        </Button>
      </PageHead>
      <Site>
        <div className="live-top">
          <Card
            title="Users in the last 30 minutes"
            actions={<span className={paused ? "live-pulse paused" : "live-pulse"} />}
          >
            {online === null ? (
              <Skeleton height={56} />
            ) : (
              <p className="live-number number" title={exact(online)} data-live-users={online}>
                {short(online)}
              </p>
            )}
            <p className="muted number">
              {exact(numberIn(users.answer?.rows[0], "events") ?? 0)} events from everybody
            </p>
          </Card>
          <Card title="Events per minute">
            {minutes.loading ? (
              <Skeleton height={140} />
            ) : rows.length === 0 ? (
              <Nothing title="Quiet for 30 minutes" />
            ) : (
              <TimeChart
                label="Events per minute, last 30 minutes"
                kind="bar"
                additive
                height={140}
                buckets={rows.map((row) => String(row["bucket"]))}
                series={[
                  {
                    id: "events",
                    label: "Events",
                    colour: seriesColour(0),
                    values: rows.map((row) => numberIn(row, "events")),
                  },
                ]}
                interval="minute"
                zone={view.zone}
              />
            )}
          </Card>
        </div>
        <Card title="Newest events">
          {newest.error && !events ? (
            <ErrorNote error={newest.error} retry={newest.retry} />
          ) : !events ? (
            <Skeleton lines={12} height={32} />
          ) : events.length === 0 ? (
            <Nothing title="No events yet">
              <p>They appear here while they come in.</p>
            </Nothing>
          ) : (
            <EventTable events={events} zone={view.zone} timeOnly fresh={fresh} />
          )}
        </Card>
      </Site>
    </>
  );
}

/** The end of the current minute. */
function useMinute(): number {
  const end = () => (Math.floor(Date.now() / MINUTE) + 1) * MINUTE;
  const [minute, setMinute] = useState(end);
  useEffect(() => {
    const timer = setInterval(() => setMinute(end()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return minute;
}

/** Which of the events were not there when they were asked for the last time. */
function useNew(events: EventRow[] | undefined): ReadonlySet<string> {
  const seen = useRef<ReadonlySet<string> | null>(null);
  const [fresh, setFresh] = useState<ReadonlySet<string>>(new Set());
  useEffect(() => {
    if (!events) return;
    const now = new Set(events.map(eventId));
    const before = seen.current;
    seen.current = now;
    if (before) setFresh(new Set([...now].filter((id) => !before.has(id))));
  }, [events]);
  return fresh;
}
