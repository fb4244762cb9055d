import { useMutation, useQuery } from "@tanstack/react-query";
import { CircleCheck, CircleX, ShieldCheck } from "lucide-react";
import { fetchPipeline, verify } from "../../api/pipeline";
import type { Difference, Ledger, PipelineStatus as Status } from "../../api/types";
import { Button } from "../../components/controls/Button";
import { Card } from "../../components/display/Card";
import { ErrorNote } from "../../components/display/ErrorNote";
import { Skeleton } from "../../components/display/Skeleton";
import { bytes, duration, exact, short } from "../../format/number";
import { DeadLetters } from "./DeadLetters";
import "./Pipeline.css";

const EVERY = 2_000;

export default function Pipeline() {
  const status = useQuery({
    queryKey: ["pipeline"],
    queryFn: ({ signal }) => fetchPipeline(signal),
    refetchInterval: EVERY,
  });
  return (
    <>
      <header className="page-head">
        <div className="page-title">
          <h1>Pipeline</h1>
          {status.data && (
            <p className={status.error ? "fresh fresh-late" : "fresh"}>
              <span className="fresh-dot" aria-hidden />
              {status.error
                ? `The last update failed: ${status.error.message}`
                : `Running for ${duration(status.data.uptime_seconds)}, version ${status.data.versions["tallystick"] ?? "unknown"}`}
            </p>
          )}
        </div>
      </header>
      {status.data ? (
        <>
          <Tiles status={status.data} />
          <Books ledger={status.data.ledger} differences={status.data.differences} />
        </>
      ) : status.error ? (
        <ErrorNote error={status.error} retry={() => void status.refetch()} />
      ) : (
        <Skeleton lines={2} height={120} />
      )}
      <DeadLetters />
    </>
  );
}

function Tiles({ status }: { status: Status }) {
  const { queue, rates } = status;
  return (
    <div className="tiles">
      <Tile
        label="Waiting in the queue"
        value={queue.events === null ? "–" : short(queue.events)}
        {...(queue.events === null ? {} : { title: exact(queue.events) })}
        note={`${exact(queue.blocks)} ${queue.blocks === 1 ? "block" : "blocks"}, ${queue.bytes === null ? "size unknown" : bytes(queue.bytes)}`}
      />
      <Tile
        label="Oldest waiting"
        value={queue.oldest_age_seconds === null ? "–" : duration(queue.oldest_age_seconds)}
        note={queue.oldest_age_seconds === null ? "nothing waits" : "since it was accepted"}
      />
      <Tile
        label="Accepted"
        value={`${short(rates.accepted_per_second)}/s`}
        title={`${exact(rates.accepted_per_second)} events per second`}
        note="mean of the last minute"
      />
      <Tile
        label="Stored"
        value={`${short(rates.stored_per_second)}/s`}
        title={`${exact(rates.stored_per_second)} events per second`}
        note={status.durability === "memory" ? "queue in memory only" : "accepted means on disk"}
      />
    </div>
  );
}

function Tile({ label, value, title, note }: { label: string; value: string; title?: string; note: string }) {
  return (
    <div className="card status-tile">
      <span className="status-tile-label">{label}</span>
      <span className="status-tile-value number" title={title}>
        {value}
      </span>
      <span className="status-tile-note number">{note}</span>
    </div>
  );
}

const PARTS = [
  ["stored", "stored"],
  ["duplicates", "duplicates"],
  ["dead", "dead"],
  ["erased", "erased"],
  ["queued", "queued"],
] as const;

/** Every accepted event is somewhere: the sum that must come out. */
function Books({ ledger, differences }: { ledger: Ledger; differences: Difference[] }) {
  const checked = useMutation({ mutationFn: verify });
  const sum = ledger.stored + ledger.duplicates + ledger.dead + ledger.erased + ledger.queued;
  const closes = sum === ledger.accepted && differences.length === 0;
  return (
    <Card
      title="The books"
      actions={
        <Button onClick={() => checked.mutate()} disabled={checked.isPending}>
          <ShieldCheck size={15} aria-hidden />
          {checked.isPending ? "Reading every event …" : "Verify"}
        </Button>
      }
    >
      <div
        className="books number"
        role="group"
        aria-label="accepted = stored + duplicates + dead + erased + queued"
      >
        <Book name="accepted" value={ledger.accepted} />
        {PARTS.map(([part, name], index) => (
          <span key={part} className="book-pair">
            <span className="book-sign" aria-hidden>
              {index === 0 ? "=" : "+"}
            </span>
            <Book name={name} value={ledger[part]} />
          </span>
        ))}
      </div>
      <Verdict
        good={closes}
        title={closes ? "The books close: every accepted event is accounted for" : "The books do not close"}
        differences={differences}
      />
      {checked.error && <ErrorNote error={checked.error} />}
      {checked.data && (
        <Verdict
          good={checked.data.ok}
          title={
            checked.data.ok
              ? "Verified: sequences without a hole, and sums that equal the events"
              : "The check found differences"
          }
          differences={checked.data.differences}
        />
      )}
    </Card>
  );
}

function Book({ name, value }: { name: string; value: number }) {
  return (
    <span className="book" data-book={name}>
      <strong title={exact(value)}>{exact(value)}</strong>
      <span>{name}</span>
    </span>
  );
}

function Verdict({ good, title, differences }: { good: boolean; title: string; differences: Difference[] }) {
  return (
    <div className={good ? "verdict good" : "verdict bad"} role="status">
      {good ? <CircleCheck size={20} aria-hidden /> : <CircleX size={20} aria-hidden />}
      <div>
        <p>{title}</p>
        {differences.length > 0 && (
          <ul>
            {differences.map(({ check, message }) => (
              <li key={check + message}>{message}</li>
            ))}
          </ul>
        )}
      </div>
    </div>
  );
}
