import { keepPreviousData, useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { RotateCcw, Trash2 } from "lucide-react";
import { useState } from "react";
import { dropDeadLetters, fetchDeadLetters, replayDeadLetters } from "../../api/pipeline";
import type { DeadLetterSummary, NotDone } from "../../api/types";
import { Button } from "../../components/controls/Button";
import { Segmented } from "../../components/controls/Segmented";
import { Card } from "../../components/display/Card";
import { EmptyState } from "../../components/display/EmptyState";
import { ErrorNote } from "../../components/display/ErrorNote";
import { Skeleton } from "../../components/display/Skeleton";
import { moment } from "../../format/time";
import { Letter } from "./Letter";
import { useParams } from "../../scope/scope";
import { localZone } from "../../scope/zone";
import "./DeadLetters.css";

type Shown = DeadLetterSummary["state"] | "all";

const STATES: { value: Shown; label: string }[] = [
  { value: "dead", label: "Dead" },
  { value: "replayed", label: "Replayed" },
  { value: "dropped", label: "Dropped" },
  { value: "erased", label: "Erased" },
  { value: "all", label: "All" },
];

/** Events that the store could not take: look at them, send them again, or give them up. */
export function DeadLetters() {
  const [params, update] = useParams();
  const state = STATES.find(({ value }) => value === params.get("state"))?.value ?? "dead";
  const [chosen, setChosen] = useState<ReadonlySet<number>>(new Set());
  const [open, setOpen] = useState<number | null>(null);
  const client = useQueryClient();
  const list = useInfiniteQuery({
    queryKey: ["dead", state],
    queryFn: ({ pageParam, signal }) => fetchDeadLetters(state, pageParam, signal),
    initialPageParam: 0,
    getNextPageParam: (last) => last.next_after,
    placeholderData: keepPreviousData,
    refetchInterval: 10_000,
  });
  const again = () => {
    setChosen(new Set());
    void client.invalidateQueries({ queryKey: ["dead"] });
    void client.invalidateQueries({ queryKey: ["letter"] });
    void client.invalidateQueries({ queryKey: ["pipeline"] });
  };
  const replayed = useMutation({ mutationFn: (ids: number[]) => replayDeadLetters(ids), onSuccess: again });
  const dropped = useMutation({ mutationFn: (ids: number[]) => dropDeadLetters(ids), onSuccess: again });
  const letters = list.data?.pages.flatMap((page) => page.dead) ?? [];
  const ids = letters
    .filter((letter) => letter.state === "dead" && chosen.has(letter.id))
    .map(({ id }) => id);
  const toggle = (id: number) => {
    const next = new Set(chosen);
    if (!next.delete(id)) next.add(id);
    setChosen(next);
  };
  const failed = replayed.error ?? dropped.error;
  return (
    <Card
      title="Dead letters"
      actions={
        <Segmented<Shown>
          label="State"
          value={state}
          options={STATES}
          onChange={(value) => update({ state: value === "dead" ? null : value })}
        />
      }
    >
      {ids.length > 0 && (
        <div className="dead-bar">
          <span className="muted">{ids.length} chosen</span>
          <Button onClick={() => replayed.mutate(ids)} disabled={replayed.isPending}>
            <RotateCcw size={14} aria-hidden /> Replay
          </Button>
          <Button
            kind="danger"
            disabled={dropped.isPending}
            onClick={() => {
              if (confirm(`Give up ${ids.length === 1 ? "this event" : `these ${ids.length} events`}?`))
                dropped.mutate(ids);
            }}
          >
            <Trash2 size={14} aria-hidden /> Drop
          </Button>
        </div>
      )}
      {failed && <ErrorNote error={failed} />}
      <NotDoneNote notes={replayed.data?.not_replayed ?? []} />
      {list.error && !list.data ? (
        <ErrorNote error={list.error} retry={() => void list.refetch()} />
      ) : list.isPending ? (
        <Skeleton lines={4} height={32} />
      ) : letters.length === 0 ? (
        <EmptyState title={state === "dead" ? "No dead letters" : "None in this state"}>
          {state === "dead" && <p>Events that the store cannot take are kept here with the reason.</p>}
        </EmptyState>
      ) : (
        <Rows letters={letters} chosen={chosen} onToggle={toggle} onOpen={setOpen} />
      )}
      {list.hasNextPage && (
        <div className="more">
          <Button onClick={() => void list.fetchNextPage()} disabled={list.isFetchingNextPage}>
            Show more
          </Button>
        </div>
      )}
      {open !== null && <Letter id={open} onClose={() => setOpen(null)} onDone={again} />}
    </Card>
  );
}

export function NotDoneNote({ notes }: { notes: NotDone[] }) {
  if (notes.length === 0) return null;
  return <ErrorNote error={new Error(notes.map(({ id, message }) => `${id}: ${message}`).join("; "))} />;
}

function Rows({
  letters,
  chosen,
  onToggle,
  onOpen,
}: {
  letters: DeadLetterSummary[];
  chosen: ReadonlySet<number>;
  onToggle: (id: number) => void;
  onOpen: (id: number) => void;
}) {
  return (
    <div className="table-scroll">
      <table className="table">
        <thead>
          <tr>
            <th scope="col">
              <span className="hidden-text">Choose</span>
            </th>
            <th scope="col">Number</th>
            <th scope="col">Reason</th>
            <th scope="col">State</th>
            <th scope="col" className="right">
              Attempts
            </th>
            <th scope="col">Since</th>
          </tr>
        </thead>
        <tbody>
          {letters.map((letter) => (
            <tr key={letter.id} className="clickable" onClick={() => onOpen(letter.id)}>
              <td onClick={(event) => event.stopPropagation()}>
                <span className="check">
                  <input
                    type="checkbox"
                    aria-label={`Choose dead letter ${letter.id}`}
                    disabled={letter.state !== "dead"}
                    checked={chosen.has(letter.id) && letter.state === "dead"}
                    onChange={() => onToggle(letter.id)}
                  />
                </span>
              </td>
              <td>
                <button
                  type="button"
                  className="row-button"
                  aria-label={`Open dead letter ${letter.id}`}
                  onClick={(event) => {
                    event.stopPropagation();
                    onOpen(letter.id);
                  }}
                >
                  {letter.id}
                </button>
              </td>
              <td title={letter.reason}>
                <code>{letter.code}</code> <span className="muted">{letter.reason}</span>
              </td>
              <td>
                <span className={`badge ${letter.state}`}>{letter.state}</span>
              </td>
              <td className="right">{letter.attempts}</td>
              <td className="time">{moment(letter.dead_at, localZone())}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
