import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useEffect, useState } from "react";
import { Link, useLocation } from "wouter";
import { acceptLink, lookAtLink } from "../../api/access";
import type { LinkShown, OidcProvider } from "../../api/types";
import { ApiError } from "../../api/client";
import { enter, useSession } from "../../api/session";
import { Button } from "../../components/controls/Button";
import { NewPassword } from "../../components/controls/NewPassword";
import { ErrorNote } from "../../components/display/ErrorNote";
import { Skeleton } from "../../components/display/Skeleton";
import { EntryCard } from "../../components/page/EntryCard";
import { SignOn } from "../../components/page/SignOn";
import { tokenOf, wordsOf } from "./link";

/** The page of a one-time link: the first account, an invitation, or a new password. */
export default function Join() {
  const [token, setToken] = useState(() => tokenOf(location.hash));
  useEffect(() => {
    const read = () => {
      if (location.hash === "") return;
      setToken(tokenOf(location.hash));
      // Out of the address and its history, where others of this browser would find it.
      history.replaceState(history.state, "", location.pathname);
    };
    read();
    addEventListener("hashchange", read);
    return () => removeEventListener("hashchange", read);
  }, []);
  if (token === null) {
    return (
      <EntryCard title="This link is not complete">
        <p>The address ends with # and a long text. Open the link again, and copy the whole of it.</p>
        <Link href="/">To the dashboard</Link>
      </EntryCard>
    );
  }
  return <Opened token={token} key={token} />;
}

function Opened({ token }: { token: string }) {
  const { data: session } = useSession();
  const link = useQuery({
    queryKey: ["link", token],
    queryFn: ({ signal }) => lookAtLink(token, signal),
    staleTime: Infinity,
    gcTime: 0, // the token is in its key
    refetchOnWindowFocus: false,
  });
  if (link.data && session) {
    return session.passwords ? (
      <Form token={token} content={link.data} provider={session.oidc} />
    ) : (
      <WithoutPassword content={link.data} provider={session.oidc} />
    );
  }
  if (link.error instanceof ApiError && link.error.status === 404) {
    return (
      <EntryCard title="This link does nothing any more">
        <p>It was used, it has expired, or it never was one. Ask the sender for a new one.</p>
        <Link href="/">To the dashboard</Link>
      </EntryCard>
    );
  }
  return (
    <EntryCard title="One moment">
      {link.error ? (
        <ErrorNote error={link.error} retry={() => void link.refetch()} />
      ) : (
        <Skeleton lines={2} height={40} />
      )}
    </EntryCard>
  );
}

/** The server takes no passwords: an invitation is used by logging in with the provider. */
function WithoutPassword({ content, provider }: { content: LinkShown; provider: OidcProvider | null }) {
  const invited = content.kind === "invitation";
  return (
    <EntryCard title={invited ? "You are invited" : "This server takes no passwords"}>
      <p className="muted">
        {invited && content.email !== null
          ? `Log in with the account whose address is ${content.email}.`
          : "This link would set one."}
      </p>
      {provider && <SignOn provider={provider} page="/" />}
    </EntryCard>
  );
}

interface Shown {
  token: string;
  content: LinkShown;
  provider: OidcProvider | null;
}

function Form({ token, content, provider }: Shown) {
  const client = useQueryClient();
  const [, navigate] = useLocation();
  const [email, setEmail] = useState(content.email ?? "");
  const [name, setName] = useState(content.name ?? "");
  const [password, setPassword] = useState("");
  const first = content.kind === "first_admin";
  const named = content.kind !== "password_reset";
  const accepting = useMutation({
    mutationFn: () =>
      acceptLink({
        token,
        password,
        ...(first && { email: email.trim() }),
        ...(named && { name: name.trim() }),
      }),
    onSuccess: (session) => {
      enter(client, session);
      navigate("/", { replace: true });
    },
    gcTime: 0, // the password is in it
  });
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    accepting.mutate();
  };
  const { title, says, action } = wordsOf(content);
  return (
    <EntryCard title={title}>
      <p className="muted">{says}</p>
      {provider && content.kind === "invitation" && (
        <>
          <SignOn provider={provider} page="/" />
          <p className="muted">Or with a password:</p>
        </>
      )}
      <form onSubmit={onSubmit}>
        <label className="field">
          <span>E-mail</span>
          <input
            type="email"
            name="email"
            autoComplete="username"
            required
            readOnly={!first}
            maxLength={254}
            value={email}
            onChange={(event) => setEmail(event.target.value)}
          />
        </label>
        {named && (
          <label className="field">
            <span>Name</span>
            <input
              name="name"
              autoComplete="name"
              required
              maxLength={200}
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
          </label>
        )}
        <NewPassword value={password} onChange={setPassword} />
        {accepting.error && <ErrorNote error={accepting.error} />}
        <Button kind="primary" type="submit" disabled={accepting.isPending}>
          {action}
        </Button>
      </form>
    </EntryCard>
  );
}
