import type { Asker, Report, Tile } from "../api/library";
import { TileCard } from "./TileCard";

/** A board's reports side by side. */
export function Grid({
  tiles,
  reports,
  asker,
  range,
}: {
  tiles: readonly Tile[];
  reports: readonly Report[];
  asker: Asker;
  range: string | null;
}) {
  return (
    <div className="board">
      {tiles.map((tile, index) => (
        <TileCard
          key={`${index} ${tile.report_id}`}
          {...{ tile, asker, range }}
          report={reports.find(({ id }) => id === tile.report_id)}
        />
      ))}
    </div>
  );
}
