import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Pencil, Trash2, UserPlus } from "lucide-react";
import { useState } from "react";
import { accountsOptions, invitationsOptions, removeAccount, withdrawInvitation } from "../../../api/access";
import type { Account, Invitation, Session } from "../../../api/types";
import { refreshSession } from "../../../api/session";
import { Button } from "../../../components/controls/Button";
import { EmptyState } from "../../../components/display/EmptyState";
import { Listed } from "../../../components/display/Listed";
import { Confirm } from "../../../components/overlays/Confirm";
import { longDay, moment } from "../../../format/time";
import { localZone } from "../../../scope/zone";
import { InviteDialog } from "./InviteDialog";
import { RolesDialog } from "./RolesDialog";
import { rolesText } from "./roles";

type Action =
  | { kind: "invite" }
  | { kind: "roles" | "remove"; account: Account }
  | { kind: "withdraw"; invitation: Invitation };

/** The accounts and the invitations; an owner sees those of their sites. */
export function PeoplePanel({ session }: { session: Session }) {
  const accounts = useQuery(accountsOptions);
  const invitations = useQuery(invitationsOptions);
  const [action, setAction] = useState<Action | null>(null);
  return (
    <>
      <Listed
        title="People"
        actions={
          <Button kind="primary" onClick={() => setAction({ kind: "invite" })}>
            <UserPlus size={15} aria-hidden /> Invite
          </Button>
        }
        result={accounts}
        rows={accounts.data}
        none={<EmptyState title="Nobody has a role here yet" />}
      >
        <ul className="settings-list" aria-label="People">
          {accounts.data?.map((account) => (
            <Person key={account.id} {...{ session, account }} onAction={setAction} />
          ))}
        </ul>
      </Listed>
      <Listed
        title="Open links"
        result={invitations}
        rows={invitations.data}
        none={<p className="muted">There are none.</p>}
      >
        <ul className="settings-list" aria-label="Open links">
          {invitations.data?.map((invitation) => (
            <Invited key={invitation.id} invitation={invitation} onAction={setAction} />
          ))}
        </ul>
      </Listed>
      {action && <ActionDialog session={session} action={action} onClose={() => setAction(null)} />}
    </>
  );
}

interface Shown {
  onAction: (action: Action) => void;
}

function Person({ session, account, onAction }: Shown & { session: Session; account: Account }) {
  const you = session.user?.id === account.id;
  const seen =
    account.last_login_at === null
      ? "never logged in"
      : `last login ${moment(account.last_login_at, localZone())}`;
  return (
    <li data-account={account.id}>
      <div className="settings-text">
        <strong>
          {account.name === "" ? account.email : account.name} {you && <span className="badge">You</span>}
        </strong>
        <span>{rolesText(account)}</span>
        <span className="muted">
          {account.email} · {seen}
        </span>
      </div>
      <div className="settings-actions">
        {(session.may.admin || !account.admin) && (
          <button
            type="button"
            className="icon-button"
            aria-label={`Change what ${account.email} may do`}
            title="Change"
            onClick={() => onAction({ kind: "roles", account })}
          >
            <Pencil size={16} aria-hidden />
          </button>
        )}
        {session.may.admin && (
          <button
            type="button"
            className="icon-button"
            aria-label={`Remove ${account.email}`}
            title="Remove"
            onClick={() => onAction({ kind: "remove", account })}
          >
            <Trash2 size={16} aria-hidden />
          </button>
        )}
      </div>
    </li>
  );
}

function Invited({ invitation, onAction }: Shown & { invitation: Invitation }) {
  const zone = localZone();
  return (
    <li data-invitation={invitation.id}>
      <div className="settings-text">
        <strong>{invitation.email ?? "Whoever opens the link"}</strong>
        <span>{invitation.kind === "password_reset" ? "A new password" : rolesText(invitation)}</span>
        <span className="muted">
          by {invitation.created_by} · until {longDay(invitation.expires_at, zone)}
        </span>
      </div>
      <Button
        kind="danger"
        aria-label={`Withdraw the link of ${invitation.email ?? "the first account"}`}
        onClick={() => onAction({ kind: "withdraw", invitation })}
      >
        Withdraw
      </Button>
    </li>
  );
}

function ActionDialog({
  session,
  action,
  onClose,
}: {
  session: Session;
  action: Action;
  onClose: () => void;
}) {
  const client = useQueryClient();
  const changed = () => {
    void client.invalidateQueries({ queryKey: accountsOptions.queryKey });
    void client.invalidateQueries({ queryKey: invitationsOptions.queryKey });
    void refreshSession(client); // the change may be to one's own rights
  };
  const done = () => {
    changed();
    onClose();
  };
  switch (action.kind) {
    case "invite":
      return <InviteDialog session={session} onMade={changed} onClose={onClose} />;
    case "roles":
      return <RolesDialog {...{ session }} account={action.account} onChanged={changed} onClose={onClose} />;
    case "remove": {
      const { id, email } = action.account;
      return (
        <Confirm
          title="Remove the account?"
          action="Remove"
          onConfirm={() => removeAccount(id)}
          onDone={done}
          onClose={onClose}
        >
          <p>
            <strong>{email}</strong> is logged out everywhere and cannot log in any more. What it saved stays.
          </p>
        </Confirm>
      );
    }
    case "withdraw": {
      const { id, email } = action.invitation;
      return (
        <Confirm
          title="Withdraw the link?"
          action="Withdraw"
          onConfirm={() => withdrawInvitation(id)}
          onDone={done}
          onClose={onClose}
        >
          <p>
            The link{" "}
            {email !== null && (
              <>
                for <strong>{email}</strong>{" "}
              </>
            )}
            does nothing any more.
          </p>
        </Confirm>
      );
    }
  }
}
