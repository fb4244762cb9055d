import { useQueryClient } from "@tanstack/react-query";
import { ChevronLeft, Pencil, Share2 } from "lucide-react";
import { type ReactNode, useState } from "react";
import { Link, useSearch } from "wouter";
import { ApiError } from "../../api/client";
import { type Board, BY_KEY, type Report, useBoard, useReports } from "../../api/library";
import { Grid } from "../../reports/Grid";
import { RangeChoice } from "../../reports/RangeChoice";
import { rangeText, rangeFrom } from "../../reports/range";
import { pageHref, useParams } from "../../scope/scope";
import { Button, ErrorNote, Nothing, Skeleton } from "../../ui/basics";
import { EditBoard } from "./EditBoard";
import { ShareDialog } from "./ShareDialog";

/** One board. */
export function BoardPage({ id }: { id: string }) {
  const board = useBoard(id);
  const reports = useReports();
  const search = useSearch();
  const back = pageHref("/ui/boards", search);
  const error = board.data ? (reports.data ? null : reports.error) : board.error;
  if (error) {
    const gone = error instanceof ApiError && error.status === 404;
    return (
      <>
        <Head name="Board" back={back} />
        {gone ? (
          <Nothing title="There is no such board">
            <p>It was deleted, or it is not for your key.</p>
            <Link href={back}>To the boards</Link>
          </Nothing>
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

function Shown({ board, reports, back }: { board: Board; reports: Report[]; back: string }) {
  const client = useQueryClient();
  const [params, update] = useParams();
  const [sharing, setSharing] = useState(false);
  const over = params.get("over");
  const range = over === null ? null : rangeFrom(over);
  const text = range && rangeText(range);
  if (params.get("edit") !== null) {
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
        <Button onClick={() => update({ edit: "1" })}>
          <Pencil size={15} aria-hidden /> Edit
        </Button>
        <Button onClick={() => setSharing(true)}>
          <Share2 size={15} aria-hidden /> Share
        </Button>
      </Head>
      {board.tiles.length === 0 ? (
        <section className="card">
          <Nothing title="Nothing on this board yet">
            <p>
              Put saved reports on it, or save one on Explore, Funnels, Retention or Paths and choose this
              board.
            </p>
            <Button kind="primary" onClick={() => update({ edit: "1" })}>
              Add reports
            </Button>
          </Nothing>
        </section>
      ) : (
        <Grid tiles={board.tiles} reports={reports} asker={BY_KEY} range={text} />
      )}
      {sharing && <ShareDialog board={board} onClose={() => setSharing(false)} />}
    </>
  );
}
