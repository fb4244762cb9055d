import { useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";
import { giveKey } from "../../api/key";
import { Button } from "../../components/controls/Button";

/** Takes a read key. `refused`: the server did not accept the one before. */
export function KeyForm({ refused }: { refused: boolean }) {
  const client = useQueryClient();
  const [typed, setTyped] = useState("");
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    if (typed.trim() === "") return;
    giveKey(typed.trim());
    setTyped("");
    void client.resetQueries();
  };
  return (
    <form className="key-form" onSubmit={onSubmit}>
      <p className="muted">It stays in this tab and is forgotten when the tab is closed.</p>
      <label className="field">
        <span>Read key</span>
        <input
          type="password"
          autoComplete="off"
          data-autofocus
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
  );
}
