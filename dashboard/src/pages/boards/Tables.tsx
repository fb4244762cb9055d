import { Pencil, Trash2 } from "lucide-react";
import type { ReactNode } from "react";
import { Link } from "wouter";
import type { SavedReport } from "../../api/library";
import { useMay } from "../../api/session";
import type { Board } from "../../api/types";
import { moment } from "../../format/time";
import type { ListAction } from "./ListDialog";
import { kindName, reportHref } from "../../reports/saved/draft";
import { rangeName } from "../../reports/tiles/TileCard";
import { useSearch } from "../../scope/address";
import { pageHref } from "../../scope/scope";
import "./Tables.css";

interface Shared {
  zone: string;
  /** Say of which site each is. */
  sites: boolean;
  onAction: (action: ListAction) => void;
}

export function BoardTable({ boards, zone, sites, onAction }: Shared & { boards: Board[] }) {
  const search = useSearch();
  return (
    <div className="table-scroll">
      <table className="table library">
        <thead>
          <tr>
            <th scope="col">Name</th>
            {sites && <th scope="col">Site</th>}
            <th scope="col" className="right">
              Reports
            </th>
            <th scope="col" className="library-when">
              Changed
            </th>
            <th scope="col">
              <span className="hidden-text">What to do with it</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {boards.map((board) => (
            <tr key={board.id} data-board={board.id}>
              <Name
                name={board.name}
                description={board.description}
                href={pageHref("/ui/boards", search, { board: board.id })}
              />
              {sites && <td>{siteName(board.site_id)}</td>}
              <td className="right">{board.tiles.length}</td>
              <td className="library-when">{moment(board.updated_at, zone)}</td>
              <Actions
                name={board.name}
                site={board.site_id}
                onRename={() => onAction({ kind: "rename board", board })}
                onDelete={() => onAction({ kind: "delete board", board })}
              />
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function ReportTable({
  reports,
  boards,
  zone,
  sites,
  onAction,
}: Shared & { reports: SavedReport[]; boards: Board[] }) {
  return (
    <div className="table-scroll">
      <table className="table library">
        <thead>
          <tr>
            <th scope="col">Name</th>
            {sites && <th scope="col">Site</th>}
            <th scope="col" className="library-kind">
              Shows
            </th>
            <th scope="col" className="library-kind">
              Range
            </th>
            <th scope="col" className="library-kind">
              On boards
            </th>
            <th scope="col" className="library-when">
              Changed
            </th>
            <th scope="col">
              <span className="hidden-text">What to do with it</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {reports.map((report) => {
            const on = boards.filter((board) => board.tiles.some((tile) => tile.report_id === report.id));
            return (
              <tr key={report.id} data-report={report.id}>
                <Name name={report.name} description={report.description} href={reportHref(report)} />
                {sites && <td>{siteName(report.site_id)}</td>}
                <td className="library-kind">{kindName(report)}</td>
                <td className="library-kind">{rangeName(report.range)}</td>
                <td className="library-kind" title={on.map(({ name }) => name).join(", ")}>
                  {on.map(({ name }) => name).join(", ") || <span className="muted">–</span>}
                </td>
                <td className="library-when">{moment(report.updated_at, zone)}</td>
                <Actions
                  name={report.name}
                  site={report.site_id}
                  onRename={() => onAction({ kind: "rename report", report })}
                  onDelete={() => onAction({ kind: "delete report", report })}
                />
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function siteName(site: string | null): string {
  return site === null ? "All sites" : site || "(no name)";
}

function Name({ name, description, href }: { name: string; description: string; href: string | null }) {
  return (
    <th scope="row">
      {href === null ? name : <Link href={href}>{name}</Link>}
      {description !== "" && <span className="library-note">{description}</span>}
    </th>
  );
}

function Actions({
  name,
  site,
  onRename,
  onDelete,
}: {
  name: string;
  site: string | null;
  onRename: () => void;
  onDelete: () => void;
}) {
  const mayEdit = useMay("edit", site);
  return (
    <td className="library-actions">
      {mayEdit && (
        <>
          <Action label={`Rename ${name}`} onClick={onRename}>
            <Pencil size={15} aria-hidden />
          </Action>
          <Action label={`Delete ${name}`} onClick={onDelete}>
            <Trash2 size={15} aria-hidden />
          </Action>
        </>
      )}
    </td>
  );
}

function Action({ label, onClick, children }: { label: string; onClick: () => void; children: ReactNode }) {
  return (
    <button type="button" className="icon-button" aria-label={label} title={label} onClick={onClick}>
      {children}
    </button>
  );
}
