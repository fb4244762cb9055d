import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useMemo, useState, useSyncExternalStore } from "react";
import { ApiError } from "../../api/client";
import { type BoardWithReports, type Reader, readShared } from "../../api/library";
import { REFRESH } from "../../api/query";
import { ErrorNote } from "../../components/display/ErrorNote";
import { Skeleton } from "../../components/display/Skeleton";
import { clock, longDay } from "../../format/time";
import { Logo } from "../../components/display/Logo";
import { numberOf, tokenFrom } from "./token";
import { Grid } from "../../reports/tiles/Grid";
import { RangeChoice } from "../../reports/tiles/RangeChoice";
import { localZone } from "../../scope/zone";
import "./Shared.css";

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
  const reader = useMemo<Reader | null>(
    () => (token === null ? null : { id: `shared ${numberOf(token)}`, token }),
    [token],
  );
  if (!reader) {
    return (
      <Page>
        <Says title={hash.length > 1 ? "This link is not complete" : "A share link is needed"}>
          <p>
            The address of a shared board ends with # and a long text. Copy the whole of it, or ask the sender
            for it.
          </p>
        </Says>
      </Page>
    );
  }
  return <Opened reader={reader} token={reader.token ?? ""} key={reader.id} />;
}

function Opened({ reader, token }: { reader: Reader; token: string }) {
  const shared = useQuery({
    queryKey: ["shared", reader.id],
    queryFn: ({ signal }) => readShared(token, signal),
    // A link that shows nothing stays one; anything else may pass.
    refetchInterval: ({ state }) => (refused(state.error) ? false : REFRESH),
  });
  const { data, error } = shared;
  if (refused(error)) {
    return (
      <Page>
        <Says title="This link shows nothing any more">
          <p>It was revoked, it has expired, or it never was one. Ask the sender for a new one.</p>
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
  return <Board shared={data} reader={reader} late={error} updatedAt={shared.dataUpdatedAt} />;
}

function refused(error: Error | null): boolean {
  return error instanceof ApiError && error.status === 401;
}

function Board({
  shared: { board, reports, expires_at },
  reader,
  late,
  updatedAt,
}: {
  shared: BoardWithReports;
  reader: Reader;
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
          From {clock(updatedAt, zone)}; the last update failed: {late.message}
        </p>
      )}
      {board.tiles.length === 0 ? (
        <Says title="There is nothing on this board yet" />
      ) : (
        <Grid tiles={board.tiles} reports={reports} reader={reader} range={range} />
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
