import { useMutation } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";
import { Button } from "../../components/controls/Button";
import { ErrorNote } from "../../components/display/ErrorNote";
import { Modal } from "../../components/overlays/Modal";
import { type Named, NameFields } from "./NameFields";

/** Asks for a name and a description, and saves them. */
export function NameDialog({
  title,
  action,
  begin = { name: "", description: "" },
  onSave,
  onClose,
}: {
  title: string;
  action: string;
  begin?: Named;
  /** Rejects with what the dialog then says. */
  onSave: (named: Named) => Promise<unknown>;
  onClose: () => void;
}) {
  const [named, setNamed] = useState<Named>({ name: begin.name, description: begin.description });
  const saving = useMutation({ mutationFn: () => onSave(named), onSuccess: onClose });
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    saving.mutate();
  };
  return (
    <Modal title={title} onClose={onClose}>
      <form onSubmit={onSubmit}>
        <NameFields value={named} onChange={setNamed} />
        {saving.error && <ErrorNote error={saving.error} />}
        <div className="modal-actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" disabled={named.name.trim() === "" || saving.isPending}>
            {action}
          </Button>
        </div>
      </form>
    </Modal>
  );
}
