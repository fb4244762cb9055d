import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";
import { useKey } from "../../api/key";
import { enter, logIn } from "../../api/session";
import type { Session } from "../../api/types";
import { Button } from "../../components/controls/Button";
import { ErrorNote } from "../../components/display/ErrorNote";
import { EntryCard } from "../../components/page/EntryCard";
import { SignOn } from "../../components/page/SignOn";
import { KeyForm } from "./KeyForm";

/** An address of the login alone; it leads to the overview. */
export const LOGIN_PATH = "/ui/login";

/** Stands in place of every page until somebody is logged in; the address stays, so that its page is there afterwards. */
export function Login({ session }: { session: Session }) {
  const { key } = useKey();
  const [byKey, setByKey] = useState(key !== null);
  if (byKey) {
    return (
      <EntryCard title="Use a read key">
        <KeyForm refused={key !== null} />
        <Button kind="quiet" onClick={() => setByKey(false)}>
          Log in instead
        </Button>
      </EntryCard>
    );
  }
  return (
    <EntryCard title="Log in">
      {session.oidc && <SignOn provider={session.oidc} />}
      {session.passwords && (
        <div className={session.oidc ? "entry-or" : undefined}>
          {session.accounts ? <PasswordForm focused={!session.oidc} /> : <NoAccount />}
        </div>
      )}
      <div className="entry-or">
        <Button kind="quiet" onClick={() => setByKey(true)}>
          Use a read key instead
        </Button>
      </div>
    </EntryCard>
  );
}

function PasswordForm({ focused }: { focused: boolean }) {
  const client = useQueryClient();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const entering = useMutation({
    mutationFn: () => logIn(email.trim(), password),
    onSuccess: (session) => enter(client, session),
    onError: () => setPassword(""),
    gcTime: 0, // the password is in it
  });
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    entering.mutate();
  };
  return (
    <form onSubmit={onSubmit}>
      <label className="field">
        <span>E-mail</span>
        <input
          type="email"
          name="email"
          autoComplete="username"
          required
          autoFocus={focused}
          value={email}
          onChange={(event) => setEmail(event.target.value)}
        />
      </label>
      <label className="field">
        <span>Password</span>
        <input
          type="password"
          name="password"
          autoComplete="current-password"
          required
          value={password}
          onChange={(event) => setPassword(event.target.value)}
        />
      </label>
      {entering.error && <ErrorNote error={entering.error} />}
      <Button kind="primary" type="submit" disabled={entering.isPending}>
        Log in
      </Button>
    </form>
  );
}

/** The server is open to others and has no account yet. */
function NoAccount() {
  return (
    <p>
      This server has no account yet. Open the link that it printed when it started: it makes the first
      account. <code>tallystick users add</code> on the server makes another link.
    </p>
  );
}
