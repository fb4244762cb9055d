import { useMutation } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";
import { setQuota } from "../../../api/access";
import type { AccessKey } from "../../../api/types";
import { Button } from "../../../components/controls/Button";
import { ErrorNote } from "../../../components/display/ErrorNote";
import { Modal } from "../../../components/overlays/Modal";
import { QuotaFields } from "./QuotaFields";
import { changedQuota, quotaForm } from "./keyFields";

/** Changes what a write key may send a second. */
export function QuotaDialog({
  of,
  onDone,
  onClose,
}: {
  of: AccessKey;
  onDone: () => void;
  onClose: () => void;
}) {
  const [form, setForm] = useState(() => quotaForm(of));
  const saving = useMutation({ mutationFn: () => setQuota(of.id, changedQuota(form)), onSuccess: onDone });
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    saving.mutate();
  };
  return (
    <Modal title={`What ${of.name} may send`} onClose={onClose}>
      <form onSubmit={onSubmit}>
        <QuotaFields form={form} onChange={(part) => setForm({ ...form, ...part })} />
        <p className="muted">It holds within a second. The quotas of the key’s site hold as well.</p>
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
