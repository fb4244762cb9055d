import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useEffect, useRef } from "react";
import { useKey } from "../../api/key";
import { dropAnswers, refreshSession, useSession } from "../../api/session";
import { ErrorNote } from "../../components/display/ErrorNote";
import { Skeleton } from "../../components/display/Skeleton";
import { EntryCard } from "../../components/page/EntryCard";
import { KeyDialog } from "./KeyDialog";
import { Login } from "./Login";

/** The pages, once the server answers this browser: with accounts after a login, else perhaps after a read key. */
export function Entry({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const { refusals } = useKey();
  const { data: session, error, refetch } = useSession();
  const caller = session && (session.user?.id ?? session.caller);
  const before = useRef(caller);

  useEffect(() => {
    if (refusals > 0) void refreshSession(client); // it may have ended, here or in another tab
  }, [client, refusals]);
  useEffect(() => {
    if (caller === undefined || caller === before.current) return;
    // The session ended, or another tab logged in as another account. After "none" there is nothing to drop.
    if (before.current !== undefined && before.current !== "none") void dropAnswers(client);
    before.current = caller;
  }, [client, caller]);

  if (!session) {
    return error ? (
      <EntryCard title="Tallystick does not answer">
        <ErrorNote error={error} retry={() => void refetch()} />
      </EntryCard>
    ) : (
      <main className="entry" id="content">
        <Skeleton lines={3} height={96} />
      </main>
    );
  }
  if (session.caller !== "none") return children;
  return session.accounts || session.setup || session.oidc ? <Login session={session} /> : <KeyDialog />;
}
