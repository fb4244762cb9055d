import { useMutation } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Button } from "../controls/Button";
import { ErrorNote } from "../display/ErrorNote";
import { Modal } from "./Modal";

/** Asks for confirmation before something is deleted, revoked or taken apart. */
export function Confirm({
  title,
  action,
  onConfirm,
  onDone,
  onClose,
  children,
}: {
  title: string;
  /** What the button says. */
  action: string;
  onConfirm: () => Promise<unknown>;
  onDone: () => void;
  onClose: () => void;
  children: ReactNode;
}) {
  const doing = useMutation({ mutationFn: onConfirm, onSuccess: onDone });
  return (
    <Modal title={title} onClose={onClose}>
      <div className="modal-text">{children}</div>
      {doing.error && <ErrorNote error={doing.error} />}
      <div className="modal-actions">
        <Button onClick={onClose}>Cancel</Button>
        <Button kind="danger" data-autofocus disabled={doing.isPending} onClick={() => doing.mutate()}>
          {action}
        </Button>
      </div>
    </Modal>
  );
}
