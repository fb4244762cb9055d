import { useQueryClient, useQuery } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { useState } from "react";
import { Link, useLocation } from "wouter";
import { boardsOptions, reportsOptions } from "../../api/library";
import { useMay } from "../../api/session";
import { Button } from "../../components/controls/Button";
import { EmptyState } from "../../components/display/EmptyState";
import { Listed } from "../../components/display/Listed";
import { PageHead } from "../../components/page/PageHead";
import { Site } from "../../components/page/Site";
import { type ListAction, ListDialog } from "./ListDialog";
import { BoardTable, ReportTable } from "./Tables";
import { useSearch } from "../../scope/address";
import { pageHref, useView } from "../../scope/scope";

/** Every board and every saved report of the site, to be opened, renamed and deleted. */
export function Lists() {
  const view = useView();
  const client = useQueryClient();
  const search = useSearch();
  const [, navigate] = useLocation();
  const boards = useQuery(boardsOptions);
  const reports = useQuery(reportsOptions);
  const [action, setAction] = useState<ListAction | null>(null);
  const mayEdit = useMay("edit", view.site);
  const ofSite = ({ site_id }: { site_id: string | null }) =>
    view.site === null || site_id === null || site_id === view.site;
  const shown = { boards: boards.data?.filter(ofSite), reports: reports.data?.filter(ofSite) };
  const shared = { zone: view.zone, sites: view.site === null, onAction: setAction };
  const again = () => {
    void client.invalidateQueries({ queryKey: ["boards"] });
    void client.invalidateQueries({ queryKey: ["reports"] });
  };
  return (
    <>
      <PageHead title="Boards" view={view}>
        {mayEdit && (
          <Button kind="primary" disabled={!view.ready} onClick={() => setAction({ kind: "new" })}>
            <Plus size={15} aria-hidden /> New board
          </Button>
        )}
      </PageHead>
      <Site>
        <Listed
          title="Boards"
          result={boards}
          rows={shown.boards}
          none={
            <EmptyState title="No boards yet">
              <p>A board shows saved reports side by side, and can be shared with people who have no key.</p>
              {mayEdit && (
                <Button disabled={!view.ready} onClick={() => setAction({ kind: "new" })}>
                  <Plus size={15} aria-hidden /> Make the first one
                </Button>
              )}
            </EmptyState>
          }
        >
          <BoardTable boards={shown.boards ?? []} {...shared} />
        </Listed>
        <Listed
          title="Saved reports"
          result={reports}
          rows={shown.reports}
          none={
            <EmptyState title="No saved reports yet">
              <p>
                Build a query on <Link href={pageHref("/ui/explore", search)}>Explore</Link>, Funnels,
                Retention or Paths, then choose “Save as report”.
              </p>
            </EmptyState>
          }
        >
          <ReportTable reports={shown.reports ?? []} boards={boards.data ?? []} {...shared} />
        </Listed>
      </Site>
      {action && (
        <ListDialog
          action={action}
          site={view.site}
          onMade={(board) => navigate(pageHref("/ui/boards", search, { board: board.id, edit: "1" }))}
          onDone={again}
          onClose={() => setAction(null)}
        />
      )}
    </>
  );
}
