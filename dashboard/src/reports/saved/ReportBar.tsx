import { useMutation, useQueryClient, useQuery } from "@tanstack/react-query";
import { BookmarkPlus, FileChartColumn, Pencil, X } from "lucide-react";
import { useState } from "react";
import { Link, useLocation } from "wouter";
import { reportOptions, reports, type SavedReport } from "../../api/library";
import { useMay } from "../../api/session";
import type { Board, ReportFields } from "../../api/types";
import { Button } from "../../components/controls/Button";
import { ErrorNote } from "../../components/display/ErrorNote";
import { NameDialog } from "./NameDialog";
import { fieldsOf, SaveDialog } from "./SaveDialog";
import { isChanged } from "./boards";
import { differs, type Draft, reportHref } from "./draft";
import { useParams, type View } from "../../scope/scope";
import "./ReportBar.css";

interface Props {
  view: View;
  /** What the page shows now; null: nothing that could be saved. */
  draft: Draft | null;
}

/** For the page's head: saves what it shows, where it is not a saved report already. */
export function SaveButton({ view, draft }: Props) {
  const [params] = useParams();
  const [open, setOpen] = useState(false);
  const opened = useOpened();
  const mayEdit = useMay("edit", view.site);
  if ((params.get("report") !== null && !open) || !mayEdit) return null;
  return (
    <>
      <Button disabled={!draft || !view.ready} onClick={() => setOpen(true)}>
        <BookmarkPlus size={15} aria-hidden /> Save as report
      </Button>
      {open && draft && (
        <SaveDialog
          {...{ view, draft }}
          onSaved={(report, board) => {
            setOpen(false);
            opened(report, board);
          }}
          onClose={() => setOpen(false)}
        />
      )}
    </>
  );
}

/** Leads to the report that was just saved; the page stays as it is. */
function useOpened() {
  const [, update] = useParams();
  return (report: SavedReport, board: Board | null) => update({ report: report.id, on: board?.id ?? null });
}

/** Below the page's head: which saved report the page shows, and whether it was changed since. */
export function OpenReport({ view, draft }: Props) {
  const [params, update] = useParams();
  const id = params.get("report");
  const report = useQuery(reportOptions(id));
  if (id === null) return null;
  const close = () => update({ report: null, on: null });
  if (report.error) {
    return (
      <div className="report-bar">
        <ErrorNote error={report.error} retry={() => void report.refetch()} />
        <Button onClick={close}>Close</Button>
      </div>
    );
  }
  if (!report.data) return null;
  return <ReportBar {...{ view, draft }} report={report.data} key={id} onClose={close} />;
}

function ReportBar({ view, draft, report, onClose }: Props & { report: SavedReport; onClose: () => void }) {
  const client = useQueryClient();
  const [params] = useParams();
  const [, navigate] = useLocation();
  const [asking, setAsking] = useState<"name" | "new" | null>(null);
  const opened = useOpened();
  const mayChange = useMay("edit", report.site_id);
  const mayAdd = useMay("edit", view.site);
  // A report stays with its site: of another one it can only become a report of its own.
  const elsewhere = view.ready && view.site !== report.site_id;
  const changed = draft !== null && view.ready && (elsewhere || differs(report, draft, view));
  const kept = (now: SavedReport) => {
    client.setQueryData(["report", now.id], now);
    void client.invalidateQueries({ queryKey: ["reports"] });
  };
  const put = async (fields: ReportFields) => {
    kept(await reports.change(report.id, { ...changeOf(fields), updated_at: report.updated_at }));
  };
  const saving = useMutation({
    mutationFn: () => (draft ? put(fieldsOf(view, draft, report)) : Promise.resolve()),
  });
  const theirs = async () => {
    await client.refetchQueries({ queryKey: ["report", report.id] });
    const now = client.getQueryData<SavedReport>(["report", report.id]);
    const href = now && reportHref(now);
    saving.reset();
    if (href) navigate(href);
  };
  const board = params.get("on");
  return (
    <section className="report-bar" aria-label="Saved report">
      <FileChartColumn size={18} aria-hidden className="report-icon" />
      <div className="report-name">
        <h2>{report.name}</h2>
        {report.description !== "" && <p className="muted">{report.description}</p>}
      </div>
      <span className="muted report-state" role="status">
        {elsewhere ? "Of another site, not saved" : changed ? "Changed, not saved" : "Saved"}
      </span>
      <div className="report-actions">
        {board !== null && (
          <Link className="button button-plain" href={`/ui/boards?board=${encodeURIComponent(board)}`}>
            Open the board
          </Link>
        )}
        {mayChange && (
          <>
            <button
              type="button"
              className="icon-button"
              aria-label="Change name and description"
              title="Change name and description"
              onClick={() => setAsking("name")}
            >
              <Pencil size={16} aria-hidden />
            </button>
            <Button
              kind="primary"
              disabled={!changed || elsewhere || saving.isPending}
              onClick={() => saving.mutate()}
            >
              Save
            </Button>
          </>
        )}
        {mayAdd && (
          <Button disabled={!draft} onClick={() => setAsking("new")}>
            Save as new
          </Button>
        )}
        <button
          type="button"
          className="icon-button"
          aria-label="Close the report"
          title="Close the report"
          onClick={onClose}
        >
          <X size={18} aria-hidden />
        </button>
      </div>
      {saving.error &&
        (isChanged(saving.error) ? (
          <div className="note note-error" role="alert">
            <p>Somebody else changed this report meanwhile. Yours was not saved.</p>
            <Button onClick={() => void theirs()}>Load theirs</Button>
          </div>
        ) : (
          <ErrorNote error={saving.error} />
        ))}
      {asking === "name" && (
        <NameDialog
          title="Name and description"
          action="Save"
          begin={report}
          onSave={(named) => put({ ...report, ...named })}
          onClose={() => setAsking(null)}
        />
      )}
      {asking === "new" && draft && (
        <SaveDialog
          {...{ view, draft }}
          onSaved={(made, on) => {
            setAsking(null);
            opened(made, on);
          }}
          onClose={() => setAsking(null)}
        />
      )}
    </section>
  );
}

/** The fields that a change sends; a report stays with its site. */
function changeOf({
  name,
  description = "",
  question,
  range = "7d",
  timezone = "UTC",
  view = {},
}: ReportFields) {
  return { name, description, question, range, timezone, view };
}
