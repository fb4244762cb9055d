import { RotateCw, TriangleAlert } from "lucide-react";
import { type CSSProperties, type ReactNode, useId } from "react";
import { Link } from "wouter";
import { type Reader, type SavedReport, useReportAnswer } from "../../api/library";
import type { Tile } from "../../api/types";
import { Button } from "../../components/controls/Button";
import { ErrorNote } from "../../components/display/ErrorNote";
import { Skeleton } from "../../components/display/Skeleton";
import { EventsFrom } from "../../components/page/EventsFrom";
import { clock } from "../../format/time";
import { reportHref } from "../saved/draft";
import { ReportChart } from "../charts/ReportChart";
import { rangeLabel, rangeFrom } from "../../scope/range";
import "./TileCard.css";

interface Props {
  tile: Tile;
  /** undefined: it is not there any more. */
  report: SavedReport | undefined;
  reader: Reader;
  /** In place of the report's own range. */
  range: string | null;
  /** While the board is edited: what changes the tile. */
  controls?: ReactNode;
}

/** A report's place on a board: its name, for which time, and the chart. */
export function TileCard({ tile, report, reader, range, controls }: Props) {
  const id = useId();
  const href = report && reader.token === undefined ? reportHref(report) : null;
  const size = { "--w": tile.width, "--h": tile.height } as CSSProperties;
  return (
    <section className="card tile" style={size} aria-labelledby={id} data-report={tile.report_id}>
      <header className="tile-head">
        <h2 id={id} title={report?.description || report?.name}>
          {href && !controls ? (
            <Link href={href}>{report?.name}</Link>
          ) : (
            (report?.name ?? "A report that is gone")
          )}
        </h2>
        {report && <span className="tile-range">{rangeName(range ?? report.range)}</span>}
      </header>
      {controls}
      {report && <Answer {...{ tile, report, reader, range }} />}
    </section>
  );
}

export function rangeName(text: string): string {
  const range = rangeFrom(text);
  return range ? rangeLabel(range) : text;
}

function Answer({ tile, report, reader, range }: Props & { report: SavedReport }) {
  const run = useReportAnswer(report, range, reader);
  const { data, error, dataUpdatedAt, isPlaceholderData } = run;
  const again = () => void run.refetch();
  if (!data) {
    return (
      <div className="tile-body">
        {error ? (
          <ErrorNote error={error} retry={again} />
        ) : (
          <Skeleton lines={Math.max(2, tile.height * 4 - 2)} />
        )}
      </div>
    );
  }
  return (
    <div className="tile-body" aria-busy={isPlaceholderData} data-kind={report.question.kind}>
      <ReportChart
        report={report}
        answer={data}
        zone={report.timezone}
        label={`${report.name}, ${rangeName(range ?? report.range)}`}
        tall={tile.height}
        linked={reader.token === undefined}
      />
      <EventsFrom of={[data]} />
      {error && (
        <p className="tile-stale" role="status">
          <TriangleAlert size={14} aria-hidden />
          <span>
            From {clock(dataUpdatedAt, report.timezone)}; the last update failed: {error.message}
          </span>
          <Button kind="quiet" aria-label={`Try again: ${report.name}`} onClick={again}>
            <RotateCw size={14} aria-hidden />
          </Button>
        </p>
      )}
    </div>
  );
}
