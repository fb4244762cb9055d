import { useQueryClient } from "@tanstack/react-query";
import { KeyRound } from "lucide-react";
import { type SubmitEvent, useEffect, useRef, useState } from "react";
import { giveKey, useKey } from "../api/key";
import { Button } from "../components/controls/Button";
import "../components/overlays/Dialog.css";
import "../components/overlays/Modal.css";
import "./KeyDialog.css";

/** Asks for the read key when the server wants one. */
export function KeyDialog() {
  const { wanted, refused } = useKey();
  const client = useQueryClient();
  const dialog = useRef<HTMLDialogElement>(null);
  const [typed, setTyped] = useState("");

  useEffect(() => {
    const shown = dialog.current;
    if (wanted && !shown?.open) shown?.showModal();
    if (!wanted && shown?.open) shown.close();
  }, [wanted]);

  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    if (typed.trim() === "") return;
    giveKey(typed.trim());
    setTyped("");
    void client.resetQueries();
  };

  return (
    <dialog
      className="dialog modal key-dialog"
      ref={dialog}
      aria-labelledby="key-title"
      onCancel={(event) => event.preventDefault()}
    >
      <form onSubmit={onSubmit}>
        <span className="key-icon">
          <KeyRound size={20} aria-hidden />
        </span>
        <h2 id="key-title">This server asks for a read key</h2>
        <p className="muted">It stays in this tab and is forgotten when the tab is closed.</p>
        <label className="field">
          <span>Read key</span>
          <input
            type="password"
            autoComplete="off"
            value={typed}
            aria-invalid={refused}
            aria-describedby={refused ? "key-refused" : undefined}
            onChange={(event) => setTyped(event.target.value)}
          />
        </label>
        {refused && (
          <p className="field-error" id="key-refused" role="alert">
            The server did not accept that key.
          </p>
        )}
        <Button kind="primary" type="submit">
          Continue
        </Button>
      </form>
    </dialog>
  );
}
