import { KeyRound } from "lucide-react";
import { useEffect, useRef } from "react";
import { useKey } from "../../api/key";
import "../../components/overlays/Dialog.css";
import "../../components/overlays/Modal.css";
import { KeyForm } from "./KeyForm";
import "./KeyDialog.css";

/** Asks for the read key, where the server has no accounts and wants one. */
export function KeyDialog() {
  const { key } = useKey();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog
      className="dialog modal key-dialog"
      ref={dialog}
      aria-labelledby="key-title"
      onCancel={(event) => event.preventDefault()}
    >
      <div className="key-dialog-body">
        <span className="key-icon">
          <KeyRound size={20} aria-hidden />
        </span>
        <h2 id="key-title">This server asks for a read key</h2>
        <KeyForm refused={key !== null} />
      </div>
    </dialog>
  );
}
