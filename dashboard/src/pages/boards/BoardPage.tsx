import { useQueryClient, useQuery } from "@tanstack/react-query";
import { ChevronLeft, Pencil, Share2 } from "lucide-react";
import { type ReactNode, useState } from "react";
import { Link } from "wouter";
import { ApiError } from "../../api/client";
import { boardOptions, KEY_READER, reportsOptions, type SavedReport } from "../../api/library";
import { useMay } from "../../api/session";
import type { Board } from "../../api/types";
import { Button } from "../../components/controls/Button";
import { EmptyState } from "../../components/display/EmptyState";
import { ErrorNote } from "../../components/display/ErrorNote";
import { Skeleton } from "../../components/display/Skeleton";
import { EditBoard } from "./EditBoard";
import { ShareDialog } from "./ShareDialog";
import { Grid } from "../../reports/tiles/Grid";
import { RangeChoice } from "../../reports/tiles/RangeChoice";
import { useSearch } from "../../scope/address";
import { rangeFrom, rangeText } from "../../scope/range";
import { pageHref, useParams } from "../../scope/scope";
import "./BoardPage.css";

/** One board. */
export function BoardPage({ id }: { id: string }) {
  const board = useQuery(boardOptions(id));
  const reports = useQuery(reportsOptions);
  const search = useSearch();
  const back = pageHref("/ui/boards", search);
  const error = board.data ? (reports.data ? null : reports.error) : board.error;
  if (error) {
    const gone = error instanceof ApiError && error.status === 404;
    return (
      <>
        <Head name="Board" back={back} />
        {gone ? (
          <EmptyState title="There is no such board">
            <p>It was deleted, or it is not for you.</p>
            <Link href={back}>To the boards</Link>
          </EmptyState>
        ) : (
          <ErrorNote
            error={error}
            retry={() => {
              void board.refetch();
              void reports.refetch();
            }}
          />
        )}
      </>
    );
  }
  if (!board.data || !reports.data) {
    return (
      <>
        <Head name={board.data?.name ?? "Board"} back={back} />
        <Skeleton lines={2} height={240} />
      </>
    );
  }
  return <Shown board={board.data} reports={reports.data} back={back} />;
}

function Head({
  name,
  description = "",
  back,
  children,
}: {
  name: string;
  description?: string;
  back: string;
  children?: ReactNode;
}) {
  return (
    <header className="page-head">
      <div className="board-title">
        <Link href={back} className="board-back">
          <ChevronLeft size={15} aria-hidden />
          Boards
        </Link>
        <h1>{name}</h1>
        {description !== "" && <p className="muted">{description}</p>}
      </div>
      {children !== undefined && <div className="page-controls">{children}</div>}
    </header>
  );
}

function Shown({ board, reports, back }: { board: Board; reports: SavedReport[]; back: string }) {
  const client = useQueryClient();
  const [params, update] = useParams();
  const [sharing, setSharing] = useState(false);
  const mayEdit = useMay("edit", board.site_id);
  const over = params.get("over");
  const range = over === null ? null : rangeFrom(over);
  const text = range && rangeText(range);
  if (params.get("edit") !== null && mayEdit) {
    return (
      <EditBoard
        board={board}
        reports={reports}
        range={text}
        onSaved={(now) => {
          client.setQueryData(["board", now.id], now);
          void client.invalidateQueries({ queryKey: ["boards"] });
        }}
        onDone={() => update({ edit: null })}
      />
    );
  }
  return (
    <>
      <Head name={board.name} description={board.description} back={back}>
        <RangeChoice value={text} onChange={(to) => update({ over: to })} />
        {mayEdit && (
          <>
            <Button onClick={() => update({ edit: "1" })}>
              <Pencil size={15} aria-hidden /> Edit
            </Button>
            <Button onClick={() => setSharing(true)}>
              <Share2 size={15} aria-hidden /> Share
            </Button>
          </>
        )}
      </Head>
      {board.tiles.length === 0 ? (
        <section className="card">
          <EmptyState title="Nothing on this board yet">
            {mayEdit && (
              <>
                <p>
                  Put saved reports on it, or save one on Explore, Funnels, Retention or Paths and choose this
                  board.
                </p>
                <Button kind="primary" onClick={() => update({ edit: "1" })}>
                  Add reports
                </Button>
              </>
            )}
          </EmptyState>
        </section>
      ) : (
        <Grid tiles={board.tiles} reports={reports} reader={KEY_READER} range={text} />
      )}
      {sharing && <ShareDialog board={board} onClose={() => setSharing(false)} />}
    </>
  );
}
