import { useMutation } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";
import { invite } from "../../../api/access";
import type { NewInvitation, Session } from "../../../api/types";
import { Button } from "../../../components/controls/Button";
import { ErrorNote } from "../../../components/display/ErrorNote";
import { ShownOnce } from "../../../components/display/ShownOnce";
import { Modal } from "../../../components/overlays/Modal";
import { longDay } from "../../../format/time";
import { localZone } from "../../../scope/zone";
import { RoleFields } from "./RoleFields";
import { bySite, listed } from "./roles";

/** Makes the link of an invitation, and shows it this once. */
export function InviteDialog({
  session,
  onMade,
  onClose,
}: {
  session: Session;
  onMade: () => void;
  onClose: () => void;
}) {
  const [email, setEmail] = useState("");
  const [admin, setAdmin] = useState(false);
  const [roles, setRoles] = useState(() => bySite([]));
  const inviting = useMutation({
    mutationFn: () => invite({ email: email.trim(), admin, roles: admin ? [] : listed(roles) }),
    onSuccess: onMade,
    gcTime: 0, // the link is in it
  });
  if (inviting.data) return <Made invitation={inviting.data} onClose={onClose} />;
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    inviting.mutate();
  };
  return (
    <Modal title="Invite somebody" onClose={onClose}>
      <form onSubmit={onSubmit}>
        <label className="field">
          <span>E-mail</span>
          <input
            data-autofocus
            type="email"
            required
            maxLength={254}
            autoComplete="off"
            value={email}
            onChange={(event) => setEmail(event.target.value)}
          />
        </label>
        <RoleFields
          admin={admin}
          roles={roles}
          onAdmin={session.may.admin ? setAdmin : null}
          onRoles={setRoles}
        />
        {inviting.error && <ErrorNote error={inviting.error} />}
        <div className="modal-actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button
            kind="primary"
            type="submit"
            disabled={email.trim() === "" || (!admin && roles.size === 0) || inviting.isPending}
          >
            Make the link
          </Button>
        </div>
      </form>
    </Modal>
  );
}

function Made({ invitation, onClose }: { invitation: NewInvitation; onClose: () => void }) {
  return (
    <Modal title="The invitation" wide onClose={onClose}>
      <ShownOnce text={new URL(invitation.url, location.origin).href} label="the link">
        Send this link to <strong>{invitation.email}</strong>. Whoever opens it first sets the password; it
        works until {longDay(invitation.expires_at, localZone())}.
      </ShownOnce>
      <div className="modal-actions">
        <Button onClick={onClose}>Close</Button>
      </div>
    </Modal>
  );
}
