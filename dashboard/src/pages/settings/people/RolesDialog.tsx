import { useMutation } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";
import { setAdmin, setRole } from "../../../api/access";
import type { Account, Session } from "../../../api/types";
import { Button } from "../../../components/controls/Button";
import { ErrorNote } from "../../../components/display/ErrorNote";
import { Modal } from "../../../components/overlays/Modal";
import { RoleFields } from "./RoleFields";
import { bySite, changesOf } from "./roles";

/** Changes what an account may do. */
export function RolesDialog({
  session,
  account,
  onChanged,
  onClose,
}: {
  session: Session;
  account: Account;
  /** Some of it has changed, perhaps not all. */
  onChanged: () => void;
  onClose: () => void;
}) {
  const [admin, setAdminTo] = useState(account.admin);
  const [roles, setRoles] = useState(() => bySite(account.roles));
  const saving = useMutation({
    mutationFn: async () => {
      if (admin !== account.admin) await setAdmin(account.id, admin);
      if (admin) return;
      for (const { site_id, role } of changesOf(bySite(account.roles), roles))
        await setRole(account.id, site_id, role);
    },
    onSuccess: onClose,
    onSettled: onChanged,
  });
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    saving.mutate();
  };
  return (
    <Modal title={`What ${account.email} may do`} onClose={onClose}>
      <form onSubmit={onSubmit}>
        <RoleFields
          admin={admin}
          roles={roles}
          onAdmin={session.may.admin ? setAdminTo : null}
          onRoles={setRoles}
        />
        {saving.error && <ErrorNote error={saving.error} />}
        <div className="modal-actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" disabled={saving.isPending}>
            Save
          </Button>
        </div>
      </form>
    </Modal>
  );
}
