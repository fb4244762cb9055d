import type { Reader, SavedReport } from "../../api/library";
import type { Tile } from "../../api/types";
import { TileCard } from "./TileCard";
import "./Grid.css";

/** A board's reports side by side. */
export function Grid({
  tiles,
  reports,
  reader,
  range,
}: {
  tiles: readonly Tile[];
  reports: readonly SavedReport[];
  reader: Reader;
  range: string | null;
}) {
  return (
    <div className="board">
      {tiles.map((tile, index) => (
        <TileCard
          key={`${index} ${tile.report_id}`}
          {...{ tile, reader, range }}
          report={reports.find(({ id }) => id === tile.report_id)}
        />
      ))}
    </div>
  );
}
