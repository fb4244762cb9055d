import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { dropDeadLetters, fetchDeadLetter, replayDeadLetters } from "../../api/pipeline";
import type { DeadLetterDetail, NotDone } from "../../api/types";
import { Button } from "../../components/controls/Button";
import { ErrorNote } from "../../components/display/ErrorNote";
import { Skeleton } from "../../components/display/Skeleton";
import { Drawer } from "../../components/overlays/Drawer";
import { moment } from "../../format/time";
import { localZone } from "../../scope/zone";
import "./Letter.css";

/** One dead letter with its original, which can be corrected before it is sent again. */
export function Letter({ id, onClose, onDone }: { id: number; onClose: () => void; onDone: () => void }) {
  const letter = useQuery({ queryKey: ["letter", id], queryFn: ({ signal }) => fetchDeadLetter(id, signal) });
  return (
    <Drawer title={`Dead letter ${id}`} onClose={onClose}>
      {letter.data ? (
        <Content key={letter.data.state} letter={letter.data} onDone={onDone} onClose={onClose} />
      ) : letter.error ? (
        <ErrorNote error={letter.error} retry={() => void letter.refetch()} />
      ) : (
        <Skeleton lines={6} height={24} />
      )}
    </Drawer>
  );
}

function Content({
  letter,
  onDone,
  onClose,
}: {
  letter: DeadLetterDetail;
  onDone: () => void;
  onClose: () => void;
}) {
  const original = indented(letter);
  const [text, setText] = useState(original);
  const [refused, setRefused] = useState<NotDone[]>([]);
  const changed = text !== original;
  const finished = (not: NotDone[]) => {
    setRefused(not);
    onDone();
    if (not.length === 0) onClose();
  };
  const replay = useMutation({
    // An unchanged one is sent as the bytes that came.
    mutationFn: () => replayDeadLetters([letter.id], changed ? text : undefined),
    onSuccess: (report) => finished(report.not_replayed),
  });
  const drop = useMutation({
    mutationFn: () => dropDeadLetters([letter.id]),
    onSuccess: (report) => finished(report.not_dropped),
  });
  const failed = replay.error ?? drop.error ?? (refused[0] ? new Error(refused[0].message) : null);
  return (
    <>
      <dl className="details">
        <dt>Reason</dt>
        <dd>{letter.reason}</dd>
        <dt>Code</dt>
        <dd>
          <code>{letter.code}</code>
        </dd>
        <dt>State</dt>
        <dd>
          <span className={`badge ${letter.state}`}>{letter.state}</span>
        </dd>
        <dt>Since</dt>
        <dd>{moment(letter.dead_at, localZone())}</dd>
        <dt>Receipt</dt>
        <dd>{letter.receipt}</dd>
      </dl>
      {letter.encoding === "base64" && (
        <p className="muted">The original is not text; it is shown as Base64.</p>
      )}
      <label className="field">
        <span>Original</span>
        <textarea
          className="editor"
          spellCheck={false}
          value={text}
          readOnly={letter.state !== "dead" || letter.encoding === "base64"}
          onChange={(event) => setText(event.target.value)}
        />
      </label>
      {failed && <ErrorNote error={failed} />}
      {letter.state === "dead" && (
        <div className="buttons">
          <Button kind="primary" disabled={replay.isPending} onClick={() => replay.mutate()}>
            {changed ? "Replay corrected" : "Replay"}
          </Button>
          <Button kind="danger" disabled={drop.isPending} onClick={() => drop.mutate()}>
            Drop
          </Button>
          {changed && (
            <Button kind="quiet" onClick={() => setText(original)}>
              Undo the changes
            </Button>
          )}
        </div>
      )}
    </>
  );
}

function indented({ original, encoding }: DeadLetterDetail): string {
  if (encoding === "base64") return original;
  try {
    // Numbers of many digits would lose some on the way through a double: such an original stays as it is.
    const value: unknown = JSON.parse(original);
    return /\d{16}|[eE][+-]?\d/.test(original) ? original : JSON.stringify(value, null, 2);
  } catch {
    return original;
  }
}
