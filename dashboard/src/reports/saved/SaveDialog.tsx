import { useMutation, useQueryClient, useQuery } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";
import { boardsOptions, reports, type SavedReport } from "../../api/library";
import type { Board } from "../../api/types";
import { Button } from "../../components/controls/Button";
import { Select } from "../../components/controls/Select";
import { ErrorNote } from "../../components/display/ErrorNote";
import { Modal } from "../../components/overlays/Modal";
import { NameFields } from "./NameFields";
import { addTile, type Place, takes } from "./boards";
import type { Draft } from "./draft";
import { usualSize } from "./size";
import { rangeLabel, rangeText } from "../../scope/range";
import type { View } from "../../scope/scope";

const NONE = "";
const NEW = "+";

/** What the page shows, as a report of its own, and where it wants to be seen. */
export function SaveDialog({
  view,
  draft,
  onSaved,
  onClose,
}: {
  view: View;
  draft: Draft;
  onSaved: (report: SavedReport, board: Board | null) => void;
  onClose: () => void;
}) {
  const client = useQueryClient();
  const boards = useQuery(boardsOptions);
  const [named, setNamed] = useState({ name: draft.title.slice(0, 200), description: "" });
  const [at, setAt] = useState(NONE);
  const [boardName, setBoardName] = useState("");
  // Saved already, when only the board went wrong.
  const [made, setMade] = useState<SavedReport | null>(null);
  const fitting = (boards.data ?? []).filter((board) => takes(board, view.site));

  const save = async () => {
    const report = made ?? (await reports.create(fieldsOf(view, draft, named)));
    setMade(report);
    client.setQueryData(["report", report.id], report);
    void client.invalidateQueries({ queryKey: ["reports"] });
    if (at === NONE) return { report, board: null };
    const place: Place = at === NEW ? { name: boardName, site: view.site } : { id: at };
    const board = await addTile(place, { report_id: report.id, ...usualSize(report) });
    client.setQueryData(["board", board.id], board);
    void client.invalidateQueries({ queryKey: ["boards"] });
    return { report, board };
  };
  const saving = useMutation({ mutationFn: save, onSuccess: ({ report, board }) => onSaved(report, board) });
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    saving.mutate();
  };
  const complete = named.name.trim() !== "" && (at !== NEW || boardName.trim() !== "");
  return (
    <Modal title="Save as report" onClose={onClose}>
      <form onSubmit={onSubmit}>
        <NameFields value={named} onChange={setNamed} />
        <p className="modal-text">
          {keeps(view)} <span className="muted">Time zone: {view.zone.replaceAll("_", " ")}.</span>
        </p>
        <div className="field">
          <span>Show it on</span>
          <Select
            label="Show it on"
            value={at}
            options={[
              { value: NONE, label: "No board" },
              ...fitting.map((board) => ({ value: board.id, label: board.name })),
              { value: NEW, label: "A new board …" },
            ]}
            onChange={setAt}
          />
        </div>
        {at === NEW && (
          <label className="field">
            <span>Name of the new board</span>
            <input
              required
              maxLength={200}
              autoComplete="off"
              value={boardName}
              onChange={(event) => setBoardName(event.target.value)}
            />
          </label>
        )}
        {saving.error && (
          <>
            {made && <p className="muted">The report is saved. It could not be put on the board:</p>}
            <ErrorNote error={saving.error} />
          </>
        )}
        <div className="modal-actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" disabled={!complete || saving.isPending}>
            Save
          </Button>
        </div>
      </form>
    </Modal>
  );
}

/** What is kept of the range: its name, or the days themselves. */
function keeps({ range }: View): string {
  return "preset" in range
    ? `It keeps the range “${rangeLabel(range)}”, which moves along with time.`
    : `It keeps these days: ${rangeLabel(range)}.`;
}

/** A report of what the page shows now. */
export function fieldsOf(view: View, draft: Draft, named: { name: string; description: string }) {
  return {
    ...named,
    site_id: view.site,
    question: draft.question,
    range: rangeText(view.range),
    timezone: view.zone,
    view: { page: draft.page, params: draft.params },
  };
}
