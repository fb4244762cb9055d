import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Ban, Pencil, Plus } from "lucide-react";
import { useState } from "react";
import { keysOptions, revokeKey } from "../../../api/access";
import type { AccessKey, Session } from "../../../api/types";
import { Button } from "../../../components/controls/Button";
import { EmptyState } from "../../../components/display/EmptyState";
import { Listed } from "../../../components/display/Listed";
import { Confirm } from "../../../components/overlays/Confirm";
import { moment } from "../../../format/time";
import { localZone } from "../../../scope/zone";
import { NewKeyDialog } from "./NewKeyDialog";
import { QuotaDialog } from "./QuotaDialog";
import { purposeOf, quotaOf } from "./keyFields";

/** The keys that programs send and read with. */
export function KeysPanel({ session }: { session: Session }) {
  const client = useQueryClient();
  const keys = useQuery(keysOptions);
  const [making, setMaking] = useState(false);
  const [revoking, setRevoking] = useState<AccessKey | null>(null);
  const [limiting, setLimiting] = useState<AccessKey | null>(null);
  const again = () => void client.invalidateQueries({ queryKey: keysOptions.queryKey });
  // The newest first, and those that work before those that do not any more.
  const rows = keys.data?.toSorted(
    (one, other) =>
      Number(one.revoked_at !== null) - Number(other.revoked_at !== null) ||
      other.created_at.localeCompare(one.created_at),
  );
  return (
    <>
      <Listed
        title="Keys"
        actions={
          <Button kind="primary" onClick={() => setMaking(true)}>
            <Plus size={15} aria-hidden /> New key
          </Button>
        }
        result={keys}
        rows={rows}
        none={
          <EmptyState title="No keys yet">
            <p>A web page or a program needs one to send events, or to read them without a login.</p>
          </EmptyState>
        }
      >
        <ul className="settings-list" aria-label="Keys">
          {rows?.map((key) => (
            <Row key={key.id} of={key} onLimit={() => setLimiting(key)} onRevoke={() => setRevoking(key)} />
          ))}
        </ul>
      </Listed>
      <p className="muted">Keys in the server’s settings work too. They are not listed here.</p>
      {making && <NewKeyDialog session={session} onMade={again} onClose={() => setMaking(false)} />}
      {limiting && (
        <QuotaDialog
          of={limiting}
          onDone={() => {
            setLimiting(null);
            again();
          }}
          onClose={() => setLimiting(null)}
        />
      )}
      {revoking && (
        <Confirm
          title="Revoke the key?"
          action="Revoke"
          onConfirm={() => revokeKey(revoking.id)}
          onDone={() => {
            setRevoking(null);
            again();
          }}
          onClose={() => setRevoking(null)}
        >
          <p>
            What uses <strong>{revoking.name}</strong> ({revoking.hint}) is refused from now on. That cannot
            be taken back; a new key can be made.
          </p>
        </Confirm>
      )}
    </>
  );
}

function Row({ of: key, onLimit, onRevoke }: { of: AccessKey; onLimit: () => void; onRevoke: () => void }) {
  const zone = localZone();
  return (
    <li data-key={key.id}>
      <div className="settings-text">
        <strong>{key.name}</strong>
        <span>{[purposeOf(key), quotaOf(key)].filter((said) => said !== "").join("; ")}</span>
        <span className="muted">
          <code>{key.hint}</code> · made {moment(key.created_at, zone)} by {key.created_by} ·{" "}
          {key.last_used_at === null ? "never used" : `last used ${moment(key.last_used_at, zone)}`}
        </span>
      </div>
      {key.revoked_at === null ? (
        <div className="settings-actions">
          {key.kind === "write" && (
            <button
              type="button"
              className="icon-button"
              aria-label={`Change what ${key.name} may send`}
              title="Change"
              onClick={onLimit}
            >
              <Pencil size={16} aria-hidden />
            </button>
          )}
          <Button kind="danger" aria-label={`Revoke ${key.name}`} onClick={onRevoke}>
            <Ban size={15} aria-hidden /> Revoke
          </Button>
        </div>
      ) : (
        <span className="muted">revoked {moment(key.revoked_at, zone)}</span>
      )}
    </li>
  );
}
