import { useMutation, useQueryClient, useQuery } from "@tanstack/react-query";
import { Link2Off } from "lucide-react";
import { type SubmitEvent, useState } from "react";
import { revokeShare, shareBoard, sharesOptions } from "../../api/library";
import type { Board, NewShare, ShareSummary } from "../../api/types";
import { Button } from "../../components/controls/Button";
import { Select } from "../../components/controls/Select";
import { ErrorNote } from "../../components/display/ErrorNote";
import { ShownOnce } from "../../components/display/ShownOnce";
import { Skeleton } from "../../components/display/Skeleton";
import { Confirm } from "../../components/overlays/Confirm";
import { Modal } from "../../components/overlays/Modal";
import { longDay, moment } from "../../format/time";
import { localZone } from "../../scope/zone";
import "./ShareDialog.css";

/** Links that show the board to people without a key: those there are, and a new one. */
export function ShareDialog({ board, onClose }: { board: Board; onClose: () => void }) {
  const client = useQueryClient();
  const shares = useQuery(sharesOptions(board.id));
  const [made, setMade] = useState<NewShare | null>(null);
  const [revoking, setRevoking] = useState<ShareSummary | null>(null);
  const again = () => void client.invalidateQueries({ queryKey: ["shares", board.id] });
  if (revoking) {
    return (
      <Confirm
        title="Revoke the link?"
        action="Revoke"
        onConfirm={() => revokeShare(revoking.id)}
        onDone={() => {
          if (made?.id === revoking.id) setMade(null);
          setRevoking(null);
          again();
        }}
        onClose={() => setRevoking(null)}
      >
        <p>
          The link of <strong>{revoking.name}</strong> shows nothing from now on. That cannot be taken back; a
          new link can be made.
        </p>
      </Confirm>
    );
  }
  return (
    <Modal title="Share this board" wide onClose={onClose}>
      <p className="muted modal-text">
        A link shows the current state of this board without a key: its reports and their numbers, nothing
        else. It allows no changes.
      </p>
      {made && (
        <ShownOnce text={new URL(made.url, location.origin).href} label="the link">
          The link for <strong>{made.name}</strong>.
        </ShownOnce>
      )}
      {shares.error && !shares.data ? (
        <ErrorNote error={shares.error} retry={() => void shares.refetch()} />
      ) : !shares.data ? (
        <Skeleton lines={2} height={40} />
      ) : (
        <Links shares={shares.data} onRevoke={setRevoking} />
      )}
      <NewLink
        board={board}
        onMade={(share) => {
          setMade(share);
          again();
        }}
      />
    </Modal>
  );
}

function Links({ shares, onRevoke }: { shares: ShareSummary[]; onRevoke: (share: ShareSummary) => void }) {
  const zone = localZone();
  if (shares.length === 0) return <p className="muted">There is no link to this board yet.</p>;
  return (
    <ul className="shares" aria-label="Links to this board">
      {shares.map((share) => (
        <li key={share.id} data-share={share.id}>
          <div className="share-text">
            <strong>{share.name}</strong>
            <span className="muted">
              made {moment(share.created_at, zone)} · {expiry(share, zone)} ·{" "}
              {share.last_used_at === null ? "never used" : `last used ${moment(share.last_used_at, zone)}`}
            </span>
          </div>
          <Button kind="danger" aria-label={`Revoke ${share.name}`} onClick={() => onRevoke(share)}>
            <Link2Off size={15} aria-hidden /> Revoke
          </Button>
        </li>
      ))}
    </ul>
  );
}

function expiry({ expires_at }: ShareSummary, zone: string): string {
  if (expires_at === null) return "never expires";
  const when = longDay(expires_at, zone);
  return Date.parse(expires_at) <= Date.now() ? `expired on ${when}` : `until ${when}`;
}

const DAY = 86_400_000;
const LENGTHS = [
  { value: "", label: "Until it is revoked" },
  { value: "1", label: "For a day" },
  { value: "7", label: "For a week" },
  { value: "30", label: "For 30 days" },
  { value: "365", label: "For a year" },
];

function NewLink({ board, onMade }: { board: Board; onMade: (share: NewShare) => void }) {
  const [name, setName] = useState("");
  const [days, setDays] = useState("30");
  const making = useMutation({
    mutationFn: () => {
      const expires =
        days === "" ? {} : { expires_at: new Date(Date.now() + Number(days) * DAY).toISOString() };
      return shareBoard(board.id, { name, ...expires });
    },
    onSuccess: (share) => {
      setName("");
      onMade(share);
    },
    gcTime: 0, // the token is in it
  });
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    making.mutate();
  };
  return (
    <form className="share-new" onSubmit={onSubmit}>
      <label className="field">
        <span>Who is the new link for?</span>
        <input
          data-autofocus
          required
          maxLength={200}
          autoComplete="off"
          placeholder="Ann, the marketing team …"
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
      </label>
      <div className="field">
        <span>How long</span>
        <Select label="How long" value={days} options={LENGTHS} onChange={setDays} />
      </div>
      <Button kind="primary" type="submit" disabled={name.trim() === "" || making.isPending}>
        Make the link
      </Button>
      {making.error && <ErrorNote error={making.error} />}
    </form>
  );
}
