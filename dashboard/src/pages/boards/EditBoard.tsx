import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type CSSProperties, type KeyboardEvent, useEffect, useRef, useState } from "react";
import { moved } from "../../analyses/funnel/state";
import { boards, KEY_READER, type SavedReport } from "../../api/library";
import type { Board, BoardFields, Tile } from "../../api/types";
import { Button } from "../../components/controls/Button";
import { EmptyState } from "../../components/display/EmptyState";
import { ErrorNote } from "../../components/display/ErrorNote";
import { AddReport, TileControls } from "./TileControls";
import { type Named, NameFields } from "../../reports/saved/NameFields";
import { isChanged } from "../../reports/saved/boards";
import { usualSize } from "../../reports/saved/size";
import { TileCard } from "../../reports/tiles/TileCard";
import "./EditBoard.css";

const MOST = 50;

/** A tile while the board is edited; its key stays when it is moved. */
interface Placed {
  key: number;
  tile: Tile;
}

/** Alt with these moves a tile. */
const STEPS: Record<string, -1 | 1 | undefined> = {
  ArrowLeft: -1,
  ArrowUp: -1,
  ArrowRight: 1,
  ArrowDown: 1,
};

interface Ends {
  onSaved: (board: Board) => void;
  onDone: () => void;
  onTheirs: (board: Board) => void;
}

interface Props extends Omit<Ends, "onTheirs"> {
  board: Board;
  reports: SavedReport[];
  range: string | null;
}

/** The board with everything that changes it; nothing is saved before the reader says so. */
export function EditBoard(props: Props) {
  // The draft stays as it is while the page reads the board again.
  const [start, setStart] = useState(props.board);
  return <Editing {...props} board={start} key={start.updated_at} onTheirs={setStart} />;
}

/** The tiles while they are edited; one that was moved takes the focus along. */
function useTiles(board: Board) {
  const [placed, setPlaced] = useState<Placed[]>(() => board.tiles.map((tile, key) => ({ key, tile })));
  const next = useRef(board.tiles.length);
  const grid = useRef<HTMLDivElement>(null);
  const follow = useRef<{ key: number; action: string } | null>(null);
  useEffect(() => {
    const wanted = follow.current;
    follow.current = null;
    if (!wanted) return;
    const item = grid.current?.querySelector(`[data-place="${wanted.key}"]`);
    const button =
      item?.querySelector<HTMLButtonElement>(`[data-action="${wanted.action}"]:not(:disabled)`) ??
      item?.querySelector<HTMLButtonElement>("[data-action]:not(:disabled)");
    button?.focus();
  });
  /** The place that it is at now, from 1; null: it cannot go there. */
  const move = (from: number, by: -1 | 1): number | null => {
    const to = from + by;
    const one = placed[from];
    if (!one || to < 0 || to >= placed.length) return null;
    follow.current = { key: one.key, action: by < 0 ? "earlier" : "later" };
    setPlaced(moved(placed, from, to));
    return to + 1;
  };
  const remove = (index: number) => {
    const neighbour = placed[index + 1] ?? placed[index - 1];
    if (neighbour) follow.current = { key: neighbour.key, action: "remove" };
    setPlaced(placed.filter((_, at) => at !== index));
  };
  const change = (index: number, part: Partial<Tile>) =>
    setPlaced(placed.map((one, at) => (at === index ? { ...one, tile: { ...one.tile, ...part } } : one)));
  const add = (report: SavedReport) => {
    const key = next.current++;
    follow.current = { key, action: "remove" };
    setPlaced([...placed, { key, tile: { report_id: report.id, ...usualSize(report) } }]);
  };
  return { placed, grid, move, remove, change, add };
}

/** Saves the board; if another reader saved it first, loads theirs. */
function useSaving(board: Board, { onSaved, onTheirs }: Ends) {
  const client = useQueryClient();
  const saving = useMutation({
    mutationFn: (fields: BoardFields) => boards.change(board.id, { ...fields, updated_at: board.updated_at }),
    onSuccess: onSaved,
  });
  const theirs = async () => {
    const now = await client.query({
      queryKey: ["board", board.id],
      queryFn: ({ signal }) => boards.read(board.id, signal),
      staleTime: 0,
    });
    saving.reset();
    onTheirs(now);
  };
  return { saving, theirs };
}

function Editing({ board, reports, range, ...ends }: Props & Ends) {
  const [named, setNamed] = useState<Named>({ name: board.name, description: board.description });
  const { placed, grid, move, remove, change, add } = useTiles(board);
  const { saving, theirs } = useSaving(board, ends);
  const [said, setSaid] = useState("");
  const of = (tile: Tile) => reports.find(({ id }) => id === tile.report_id);
  const moveAndSay = (index: number, by: -1 | 1) => {
    const name = placed[index] && of(placed[index].tile)?.name;
    const to = move(index, by);
    if (to !== null) setSaid(`${name ?? "The report"} is now at place ${to} of ${placed.length}`);
  };
  const onKeyDown = (event: KeyboardEvent, index: number) => {
    const by = STEPS[event.key];
    if (!event.altKey || by === undefined || event.target instanceof HTMLSelectElement) return;
    event.preventDefault();
    moveAndSay(index, by);
  };
  const fitting = reports.filter(({ site_id }) => board.site_id === null || site_id === board.site_id);
  return (
    <>
      <header className="page-head">
        <div className="page-title">
          <h1>Edit the board</h1>
        </div>
        <div className="page-controls">
          <AddReport reports={fitting} full={placed.length >= MOST ? MOST : null} onAdd={add} />
          <Button onClick={ends.onDone}>Cancel</Button>
          <Button
            kind="primary"
            disabled={named.name.trim() === "" || saving.isPending}
            onClick={() =>
              // Who has gone elsewhere meanwhile stays there: this is only called while the editor is shown.
              saving.mutate({ ...named, tiles: placed.map(({ tile }) => tile) }, { onSuccess: ends.onDone })
            }
          >
            Save the board
          </Button>
        </div>
      </header>
      {saving.error &&
        (isChanged(saving.error) ? (
          <div className="note note-error" role="alert">
            <p>Somebody else changed this board meanwhile. Yours was not saved.</p>
            <Button onClick={() => void theirs()}>Load theirs</Button>
          </div>
        ) : (
          <ErrorNote error={saving.error} />
        ))}
      <section className="card board-names" aria-label="Name and description">
        <NameFields value={named} onChange={setNamed} />
      </section>
      <p className="hidden-text" role="status">
        {said}
      </p>
      {placed.length === 0 ? (
        <section className="card">
          <EmptyState title="Nothing on this board yet">
            <p>
              {fitting.length > 0
                ? "Choose “Add a report”."
                : "There is no saved report that it could show: save one on Explore, Funnels, Retention or Paths."}
            </p>
          </EmptyState>
        </section>
      ) : (
        <div className="board editing" ref={grid}>
          {placed.map(({ key, tile }, index) => (
            <div
              key={key}
              className="tile-place"
              data-place={key}
              style={{ "--w": tile.width, "--h": tile.height } as CSSProperties}
              onKeyDown={(event) => onKeyDown(event, index)}
            >
              <TileCard
                tile={tile}
                report={of(tile)}
                reader={KEY_READER}
                range={range}
                controls={
                  <TileControls
                    tile={tile}
                    name={of(tile)?.name ?? "the report"}
                    first={index === 0}
                    last={index === placed.length - 1}
                    onMove={(by) => moveAndSay(index, by)}
                    onRemove={() => remove(index)}
                    onChange={(part) => change(index, part)}
                  />
                }
              />
            </div>
          ))}
        </div>
      )}
    </>
  );
}
