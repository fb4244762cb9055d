import type { Session } from "../../api/types";
import { Command } from "../../components/controls/Command";
import { Card } from "../../components/display/Card";
import { EmptyState } from "../../components/display/EmptyState";
import { useInstall } from "../../install/install";

/** What there is to set while nobody is logged in: how to make the first account. */
export function Begin({ session }: { session: Session }) {
  const command = useInstall()?.command ?? "tallystick";
  if (session.caller !== "open") {
    return (
      <Card>
        <EmptyState title="This key sets nothing">
          <p>Forget the key and log in, to manage sites, keys and people.</p>
        </EmptyState>
      </Card>
    );
  }
  if (!session.available) {
    return (
      <Card title="Accounts">
        <div className="settings-begin">
          <p>This server is open to this machine, and cannot have accounts yet: {session.why}</p>
        </div>
      </Card>
    );
  }
  return (
    <Card title="Accounts">
      <div className="settings-begin">
        <p>
          This server answers this machine alone, and asks nobody who they are. With the first account it asks
          for a login: then sites, keys and people are managed here, and others can be let in.
        </p>
        <p>Make the first account in the folder that the server was started in:</p>
        <Command
          text={`${command} users add you@example.com --admin`}
          label="the command that makes an account"
        />
        <p className="muted">
          Programs that send and read need keys from then on. They are made here, under Keys, or by{" "}
          <code>{command} keys create</code>.
        </p>
      </div>
    </Card>
  );
}
