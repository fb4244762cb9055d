import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useMemo, useState, useSyncExternalStore } from "react";
import { ApiError } from "../../api/client";
import { REFRESH } from "../../api/hooks";
import { type Asker, readShared, type SharedBoard } from "../../api/library";
import { clock, longDay } from "../../format/time";
import { Grid } from "../../reports/Grid";
import { RangeChoice } from "../../reports/RangeChoice";
import { localZone } from "../../scope/zone";
import { ErrorNote, Skeleton } from "../../ui/basics";
import { Logo } from "../../ui/Logo";
import { numberOf, tokenFrom } from "./token";

function useHash(): string {
  return useSyncExternalStore(
    (listener) => {
      addEventListener("hashchange", listener);
      return () => removeEventListener("hashchange", listener);
    },
    () => location.hash,
  );
}

/** The page of a share link: its board, to be read. */
export default function Shared() {
  const hash = useHash();
  const token = tokenFrom(hash);
  const asker = useMemo<Asker | null>(
    () => (token === null ? null : { id: `shared ${numberOf(token)}`, token }),
    [token],
  );
  if (!asker) {
    return (
      <Page>
        <Says title={hash.length > 1 ? "This link is not complete" : "A share link is needed"}>
          <p>
            The address of a shared board ends with # and a long text. Copy the whole of it, or ask whoever
            sent it to you.
          </p>
        </Says>
      </Page>
    );
  }
  return <Opened asker={asker} token={asker.token ?? ""} key={asker.id} />;
}

function Opened({ asker, token }: { asker: Asker; token: string }) {
  const shared = useQuery({
    queryKey: ["shared", asker.id],
    queryFn: ({ signal }) => readShared(token, signal),
    // A link that shows nothing stays one; anything else may pass.
    refetchInterval: ({ state }) => (refused(state.error) ? false : REFRESH),
  });
  const { data, error } = shared;
  if (refused(error)) {
    return (
      <Page>
        <Says title="This link shows nothing any more">
          <p>
            It was revoked, it has expired, or it never was one. Ask whoever sent it to you for a new one.
          </p>
        </Says>
      </Page>
    );
  }
  if (!data) {
    return (
      <Page>
        {error ? (
          <ErrorNote error={error} retry={() => void shared.refetch()} />
        ) : (
          <Skeleton lines={2} height={240} />
        )}
      </Page>
    );
  }
  return <Board shared={data} asker={asker} late={error} updatedAt={shared.dataUpdatedAt} />;
}

function refused(error: Error | null): boolean {
  return error instanceof ApiError && error.status === 401;
}

function Board({
  shared: { board, reports, expires_at },
  asker,
  late,
  updatedAt,
}: {
  shared: SharedBoard;
  asker: Asker;
  late: Error | null;
  updatedAt: number;
}) {
  const [range, setRange] = useState<string | null>(null);
  const zone = localZone();
  return (
    <Page>
      <header className="page-head">
        <div className="board-title">
          <h1>{board.name}</h1>
          {board.description !== "" && <p className="muted">{board.description}</p>}
        </div>
        <div className="page-controls">
          <RangeChoice value={range} days={false} onChange={setRange} />
        </div>
      </header>
      {late && (
        <p className="fresh fresh-late" role="status">
          <span className="fresh-dot" aria-hidden />
          From {clock(updatedAt, zone)}; asking again failed: {late.message}
        </p>
      )}
      {board.tiles.length === 0 ? (
        <Says title="There is nothing on this board yet" />
      ) : (
        <Grid tiles={board.tiles} reports={reports} asker={asker} range={range} />
      )}
      {expires_at !== null && (
        <p className="shared-foot muted">This link shows it until {longDay(expires_at, zone)}.</p>
      )}
    </Page>
  );
}

function Page({ children }: { children: ReactNode }) {
  return (
    <>
      <p className="shared-brand">
        <Logo size={22} />
        Tallystick <span className="muted">· a shared board</span>
      </p>
      {children}
    </>
  );
}

function Says({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <section className="card shared-says">
      <h1>{title}</h1>
      {children}
    </section>
  );
}
