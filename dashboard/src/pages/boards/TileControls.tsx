import { ArrowLeft, ArrowRight, Plus, X } from "lucide-react";
import type { ReactNode } from "react";
import type { SavedReport } from "../../api/library";
import type { Tile } from "../../api/types";
import { Picker } from "../../components/controls/Picker";
import { Select } from "../../components/controls/Select";
import { Popover } from "../../components/overlays/Popover";
import { kindName } from "../../reports/saved/draft";
import "./TileControls.css";

/** A search among the reports that the board may show. */
export function AddReport({
  reports,
  full,
  onAdd,
}: {
  reports: SavedReport[];
  /** So many are the most, and are there; null: there is room. */
  full: number | null;
  onAdd: (report: SavedReport) => void;
}) {
  return (
    <Popover
      title="Add a report"
      align="end"
      button={
        <>
          <Plus size={15} aria-hidden /> Add a report
        </>
      }
    >
      {(close) =>
        full !== null ? (
          <p className="picker-none">A board has at most {full} reports.</p>
        ) : (
          <Picker
            label="Search saved reports"
            choices={reports.map((report) => ({
              value: report.id,
              label: report.name,
              note: kindName(report),
            }))}
            onChoose={(id) => {
              const report = reports.find((one) => one.id === id);
              close();
              if (report) onAdd(report);
            }}
          />
        )
      }
    </Popover>
  );
}

const sizes = (most: number) => Array.from({ length: most }, (_, index) => String(index + 1));

/** What moves a tile, makes it larger or smaller, or takes it off the board. */
export function TileControls({
  tile,
  name,
  first,
  last,
  onMove,
  onRemove,
  onChange,
}: {
  tile: Tile;
  name: string;
  first: boolean;
  last: boolean;
  onMove: (by: -1 | 1) => void;
  onRemove: () => void;
  onChange: (part: Partial<Tile>) => void;
}) {
  return (
    <div className="tile-controls" role="group" aria-label={`Place of ${name}`}>
      <Control
        action="earlier"
        label={`Move ${name} to the front`}
        disabled={first}
        onClick={() => onMove(-1)}
      >
        <ArrowLeft size={15} aria-hidden />
      </Control>
      <Control action="later" label={`Move ${name} to the back`} disabled={last} onClick={() => onMove(1)}>
        <ArrowRight size={15} aria-hidden />
      </Control>
      <Select
        label={`Width of ${name}`}
        value={String(tile.width)}
        options={sizes(4).map((value) => ({ value, label: `${value} wide` }))}
        onChange={(value) => onChange({ width: Number(value) })}
      />
      <Select
        label={`Height of ${name}`}
        value={String(tile.height)}
        options={sizes(3).map((value) => ({ value, label: `${value} high` }))}
        onChange={(value) => onChange({ height: Number(value) })}
      />
      <Control action="remove" label={`Take ${name} off the board`} onClick={onRemove}>
        <X size={15} aria-hidden />
      </Control>
    </div>
  );
}

function Control({
  action,
  label,
  disabled = false,
  onClick,
  children,
}: {
  action: string;
  label: string;
  disabled?: boolean;
  onClick: () => void;
  children: ReactNode;
}) {
  return (
    <button
      type="button"
      className="icon-button"
      data-action={action}
      aria-label={label}
      title={label}
      disabled={disabled}
      onClick={onClick}
    >
      {children}
    </button>
  );
}
