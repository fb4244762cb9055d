import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { LogOut } from "lucide-react";
import { type SubmitEvent, useState } from "react";
import { changePassword, loginsOptions } from "../../api/access";
import type { BrowserSession, Session } from "../../api/types";
import { logOut } from "../../api/session";
import { Button } from "../../components/controls/Button";
import { NewPassword } from "../../components/controls/NewPassword";
import { Card } from "../../components/display/Card";
import { ErrorNote } from "../../components/display/ErrorNote";
import { Listed } from "../../components/display/Listed";
import { Confirm } from "../../components/overlays/Confirm";
import { moment } from "../../format/time";
import { localZone } from "../../scope/zone";
import { browserOf } from "./browser";
import { rolesText } from "./people/roles";

/** One's own account: what it may, its password, and where it is logged in. */
export function AccountPanel({ session }: { session: Session }) {
  const { user } = session;
  if (!user) return null;
  return (
    <>
      <Card title={user.name === "" ? user.email : user.name}>
        <div className="settings-text">
          <p>{user.email}</p>
          <p className="muted">{rolesText(user)}</p>
          {session.oidc && user.single_sign_on && (
            <p className="muted">You log in with {session.oidc.name}.</p>
          )}
        </div>
      </Card>
      {session.passwords && user.password && <PasswordCard email={user.email} />}
      <Logins />
    </>
  );
}

function PasswordCard({ email }: { email: string }) {
  const client = useQueryClient();
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const changing = useMutation({
    mutationFn: () => changePassword(current, next),
    onSuccess: () => {
      setCurrent("");
      setNext("");
      void client.invalidateQueries({ queryKey: loginsOptions.queryKey });
    },
    gcTime: 0, // the passwords are in it
  });
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    changing.mutate();
  };
  return (
    <Card title="Password">
      <form className="settings-form" onSubmit={onSubmit}>
        {/* For password managers: of which account the passwords are. */}
        <input
          className="hidden-text"
          type="email"
          autoComplete="username"
          tabIndex={-1}
          aria-hidden
          readOnly
          value={email}
        />
        <label className="field">
          <span>Current password</span>
          <input
            type="password"
            autoComplete="current-password"
            required
            value={current}
            onChange={(event) => setCurrent(event.target.value)}
          />
        </label>
        <NewPassword value={next} onChange={setNext} />
        {changing.error && <ErrorNote error={changing.error} />}
        {changing.isSuccess && (
          <p className="note note-good" role="status">
            The password is changed; every other session of the account has ended.
          </p>
        )}
        <Button type="submit" disabled={changing.isPending}>
          Change the password
        </Button>
      </form>
    </Card>
  );
}

function Logins() {
  const client = useQueryClient();
  const logins = useQuery(loginsOptions);
  const [leaving, setLeaving] = useState(false);
  return (
    <Listed
      title="Where you are logged in"
      actions={
        <Button kind="danger" onClick={() => setLeaving(true)}>
          <LogOut size={15} aria-hidden /> Log out everywhere
        </Button>
      }
      result={logins}
      rows={logins.data}
      none={null}
    >
      <ul className="settings-list" aria-label="Sessions">
        {logins.data?.map((login) => (
          <Login key={login.id} login={login} />
        ))}
      </ul>
      {leaving && (
        <Confirm
          title="Log out everywhere?"
          action="Log out"
          onConfirm={() => logOut(client, true)}
          onDone={() => setLeaving(false)}
          onClose={() => setLeaving(false)}
        >
          <p>Every session of your account ends, this one too.</p>
        </Confirm>
      )}
    </Listed>
  );
}

function Login({ login }: { login: BrowserSession }) {
  const zone = localZone();
  return (
    <li>
      <div className="settings-text">
        <strong title={login.user_agent}>{browserOf(login.user_agent)}</strong>
        <span className="muted">
          {login.address !== "" && `${login.address} · `}since {moment(login.created_at, zone)} · last used{" "}
          {moment(login.last_used_at, zone)}
        </span>
      </div>
      {login.current && <span className="badge">This one</span>}
    </li>
  );
}
