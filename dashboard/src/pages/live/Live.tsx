import { Pause, Play } from "lucide-react";
import { useEffect, useState, useSyncExternalStore } from "react";
import { type QueryScope, type QueryState, useAnswer } from "../../api/query";
import { numberIn } from "../../api/rows";
import type { EventRow, MetricsRow } from "../../api/types";
import { TimeChart } from "../../charts/TimeChart";
import { seriesColour } from "../../charts/palette";
import { Button } from "../../components/controls/Button";
import { Card } from "../../components/display/Card";
import { EmptyState } from "../../components/display/EmptyState";
import { ErrorNote } from "../../components/display/ErrorNote";
import { Skeleton } from "../../components/display/Skeleton";
import { EventTable } from "../../components/events/EventTable";
import { eventId } from "../../components/events/events";
import { Fresh, PageHead } from "../../components/page/PageHead";
import { ZonePicker } from "../../components/page/RangePicker";
import { Site } from "../../components/page/Site";
import { exact, short } from "../../format/number";
import { merged, MOST } from "./newest";
import { type Heard, useLive } from "./useLive";
import { useView } from "../../scope/scope";
import "./Live.css";

/** Milliseconds between two queries: for the numbers, and for the events while there is no stream. */
const NUMBERS = 4_000;
const EVENTS = 2_000;
const WINDOW = 30;
const MINUTE = 60_000;

export default function Live() {
  const view = useView();
  const [paused, setPaused] = useState(false);
  const visible = useVisible();
  const minute = useMinute();
  const heard = useLive(view.site, view.ready && visible && !paused);
  const scope: QueryScope = { site_id: view.site };
  const recent: QueryScope = {
    ...scope,
    since: new Date(minute - WINDOW * MINUTE).toISOString(),
    until: new Date(minute).toISOString(),
  };
  const streaming = heard.state === "open";
  const newest = useAnswer(view.ready ? { kind: "events", limit: MOST, ...scope } : null, {
    refresh: paused || streaming ? false : EVENTS,
  });
  const numbers = { refresh: paused ? (false as const) : NUMBERS };
  const users = useAnswer(
    view.ready ? { kind: "metrics", metrics: [{ kind: "users" }, { kind: "events" }], ...recent } : null,
    numbers,
  );
  const minutes = useAnswer(
    view.ready
      ? { kind: "metrics", metrics: [{ kind: "events" }], interval: "minute", timezone: view.zone, ...recent }
      : null,
    numbers,
  );
  const { retry } = newest;
  useEffect(() => {
    if (heard.opened > 0) retry(); // what was stored between the last answer and the stream's beginning
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [heard.opened]);
  const events = newest.answer && merged(newest.answer.rows, heard.events.toReversed());
  return (
    <>
      <PageHead
        title="Live"
        view={view}
        note={<State heard={heard} paused={paused} newest={newest} zone={view.zone} />}
      >
        <ZonePicker view={view} />
        <Button onClick={() => setPaused(!paused)} aria-pressed={paused}>
          {paused ? <Play size={14} aria-hidden /> : <Pause size={14} aria-hidden />}
          {paused ? "Go on" : "Pause"}
        </Button>
      </PageHead>
      <Site>
        <div className="live-top">
          <UsersNow users={users} />
          <PerMinute minutes={minutes} zone={view.zone} />
        </div>
        <Card
          title="Newest events"
          actions={
            heard.leftOut > 0 && (
              <span className="card-unit number" data-left-out={heard.leftOut}>
                {exact(heard.leftOut)} more were stored than are shown
              </span>
            )
          }
        >
          <Newest events={events} newest={newest} heard={heard} zone={view.zone} />
        </Card>
      </Site>
    </>
  );
}

/** Whether events come by themselves, and if not, what is done instead. */
function State({
  heard,
  paused,
  newest,
  zone,
}: {
  heard: Heard;
  paused: boolean;
  newest: QueryState<EventRow>;
  zone: string;
}) {
  if (paused) return <Note kind="fresh-paused" text="Paused" />;
  if (heard.state === "open") return <Note kind="fresh-live" text="Live: events appear as they are stored" />;
  if (newest.error) return <Fresh result={newest} zone={zone} />;
  if (heard.state === "connecting") return <Note kind="fresh-paused" text="Connecting …" />;
  return <Note kind="fresh-late" text="The stream ended: updated every 2 seconds" />;
}

function Note({ kind, text }: { kind: string; text: string }) {
  return (
    <p className={`fresh ${kind}`} role="status">
      <span className="fresh-dot" aria-hidden />
      {text}
    </p>
  );
}

function UsersNow({ users }: { users: QueryState<MetricsRow> }) {
  const row = users.answer?.rows[0];
  const online = numberIn(row, "users");
  return (
    <Card title="Users in the last 30 minutes">
      {users.error && !users.answer ? (
        <ErrorNote error={users.error} retry={users.retry} />
      ) : online === null ? (
        <Skeleton height={56} />
      ) : (
        <p className="live-number number" title={exact(online)} data-live-users={online}>
          {short(online)}
        </p>
      )}
      <p className="muted number">{exact(numberIn(row, "events") ?? 0)} events from everybody</p>
    </Card>
  );
}

function PerMinute({ minutes, zone }: { minutes: QueryState<MetricsRow>; zone: string }) {
  const rows = minutes.answer?.rows ?? [];
  const values = rows.map((row) => numberIn(row, "events"));
  return (
    <Card title="Events per minute">
      {minutes.loading ? (
        <Skeleton height={140} />
      ) : rows.length === 0 ? (
        <EmptyState title="Quiet for 30 minutes" />
      ) : (
        <TimeChart
          label="Events per minute, last 30 minutes"
          kind="bar"
          additive
          height={140}
          buckets={rows.map((row) => String(row["bucket"]))}
          series={[{ id: "events", label: "Events", colour: seriesColour(0), values }]}
          interval="minute"
          zone={zone}
        />
      )}
    </Card>
  );
}

function Newest({
  events,
  newest,
  heard,
  zone,
}: {
  events: EventRow[] | undefined;
  newest: QueryState<EventRow>;
  heard: Heard;
  zone: string;
}) {
  if (!events) {
    return newest.error ? (
      <ErrorNote error={newest.error} retry={newest.retry} />
    ) : (
      <Skeleton lines={12} height={32} />
    );
  }
  if (events.length === 0) {
    return (
      <EmptyState title="No events yet">
        <p>They appear here while they come in.</p>
      </EmptyState>
    );
  }
  return <EventTable events={events} zone={zone} timeOnly fresh={new Set(heard.events.map(eventId))} />;
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

/** A hidden tab does not listen to the stream. */
function useVisible(): boolean {
  return useSyncExternalStore(
    (listener) => {
      document.addEventListener("visibilitychange", listener);
      return () => document.removeEventListener("visibilitychange", listener);
    },
    () => document.visibilityState === "visible",
  );
}
