import { boards, reports, type SavedReport } from "../../api/library";
import type { Board } from "../../api/types";
import { Confirm } from "../../components/overlays/Confirm";
import { NameDialog } from "../../reports/saved/NameDialog";
import type { Named } from "../../reports/saved/NameFields";

/** What happens once the reader has entered a name or confirmed. */
export type ListAction =
  | { kind: "new" }
  | { kind: "rename board" | "delete board"; board: Board }
  | { kind: "rename report" | "delete report"; report: SavedReport };

export function ListDialog({
  action,
  site,
  onMade,
  onDone,
  onClose,
}: {
  action: ListAction;
  site: string | null;
  onMade: (board: Board) => void;
  onDone: () => void;
  onClose: () => void;
}) {
  const done = () => {
    onDone();
    onClose();
  };
  const gone = { action: "Delete", onDone: done, onClose };
  switch (action.kind) {
    case "new": {
      const make = async (named: Named) => {
        const board = await boards.create({ ...named, tiles: [], site_id: site });
        onDone();
        onMade(board);
      };
      return <NameDialog title="New board" action="Make the board" onSave={make} onClose={onClose} />;
    }
    case "rename board": {
      const { board } = action;
      const { tiles, updated_at } = board;
      const save = (named: Named) => boards.change(board.id, { ...named, tiles, updated_at }).then(onDone);
      return (
        <NameDialog title="Rename the board" action="Save" begin={board} onSave={save} onClose={onClose} />
      );
    }
    case "rename report": {
      const { id, question, range, timezone, view, updated_at } = action.report;
      const save = (named: Named) =>
        reports.change(id, { ...named, question, range, timezone, view, updated_at }).then(onDone);
      const begin = action.report;
      return (
        <NameDialog title="Rename the report" action="Save" begin={begin} onSave={save} onClose={onClose} />
      );
    }
    case "delete board": {
      const { id, name } = action.board;
      return (
        <Confirm title="Delete the board?" onConfirm={() => boards.remove(id)} {...gone}>
          <p>
            <strong>{name}</strong> and its share links are gone then. Its reports stay.
          </p>
        </Confirm>
      );
    }
    case "delete report": {
      const { id, name } = action.report;
      return (
        <Confirm title="Delete the report?" onConfirm={() => reports.remove(id)} {...gone}>
          <p>
            <strong>{name}</strong> is gone then. What it is about stays.
          </p>
        </Confirm>
      );
    }
  }
}
