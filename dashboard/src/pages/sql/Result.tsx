import { ChartLine, Download, Table2 } from "lucide-react";
import { useMemo, useState } from "react";
import { type FileFormat, sqlFile } from "../../api/sql";
import type { SqlQuery, SqlResult } from "../../api/types";
import { TimeChart } from "../../charts/TimeChart";
import { seriesColour } from "../../charts/palette";
import { Button } from "../../components/controls/Button";
import { Segmented } from "../../components/controls/Segmented";
import { BarList } from "../../components/display/BarList";
import { Card } from "../../components/display/Card";
import { EmptyState } from "../../components/display/EmptyState";
import { ErrorNote } from "../../components/display/ErrorNote";
import { keep } from "../../format/file";
import { exact } from "../../format/number";
import { longDay } from "../../format/time";
import { ResultTable } from "./ResultTable";
import { type Drawing, drawing } from "./cells";
import "./Result.css";

const FORMATS: { format: FileFormat; label: string }[] = [
  { format: "csv", label: "CSV" },
  { format: "excel", label: "CSV for Excel" },
  { format: "json", label: "JSON" },
  { format: "parquet", label: "Parquet" },
];

type Shape = "table" | "chart";

/** What a statement gave: a table, where it can be a chart, and files. */
export function Result({
  answer,
  statement,
  waiting,
}: {
  answer: SqlResult;
  statement: SqlQuery;
  waiting: boolean;
}) {
  const [wanted, setWanted] = useState<Shape>("table");
  const picture = useMemo(() => drawing(answer), [answer]);
  const shape = picture ? wanted : "table";
  const count = answer.rows.length;
  return (
    <Card title="Result" className="sql-result" actions={<Files {...{ statement, waiting }} />}>
      <div className="sql-summary">
        <p role="status">
          {waiting ? "Running…" : `${exact(count)} ${count === 1 ? "row" : "rows"} in ${elapsed(answer)}`}
        </p>
        {picture && (
          <Segmented<Shape>
            label="Shown as"
            value={shape}
            options={[
              { value: "table", label: "Table", icon: <Table2 size={16} aria-hidden /> },
              { value: "chart", label: "Chart", icon: <ChartLine size={16} aria-hidden /> },
            ]}
            onChange={setWanted}
          />
        )}
      </div>
      {answer.truncated && (
        <p className="sql-truncated">
          There are more rows than these: the server sends at most so many. Add conditions, group, or LIMIT
          and OFFSET.
        </p>
      )}
      {answer.events_from != null && (
        <p className="sql-truncated">
          Events of before {longDay(answer.events_from, "UTC")} were removed. Their kept rollups are not in
          SQL.
        </p>
      )}
      <div aria-busy={waiting}>
        {count === 0 ? (
          <EmptyState title="No rows" />
        ) : picture && shape === "chart" ? (
          <Picture picture={picture} />
        ) : (
          <ResultTable answer={answer} />
        )}
      </div>
    </Card>
  );
}

function elapsed({ elapsed_ms }: SqlResult): string {
  return elapsed_ms < 1_000 ? `${elapsed_ms.toFixed(0)} ms` : `${(elapsed_ms / 1_000).toFixed(1)} s`;
}

function Picture({ picture: { kind, labels, interval, series } }: { picture: Drawing }) {
  if (kind === "bars") {
    const [first] = series;
    return (
      <BarList
        rows={labels.map((label, place) => ({ value: `${place}`, label, number: first?.values[place] ?? 0 }))}
        unit={first?.label ?? ""}
        whole={null}
        chosen={() => false}
        choosable={() => false}
        onChoose={() => undefined}
      />
    );
  }
  const coloured = series.map((each, place) => ({
    id: String(place),
    colour: seriesColour(place),
    ...each,
  }));
  return (
    <>
      <TimeChart
        label={`${series.map(({ label }) => label).join(", ")} over time, UTC`}
        kind="line"
        additive={false}
        buckets={labels}
        series={coloured}
        interval={interval}
        zone="UTC"
      />
      <ul className="sql-legend">
        {coloured.map(({ id, colour, label }) => (
          <li key={id}>
            <span className="sql-swatch" style={{ background: colour }} aria-hidden />
            {label}
          </li>
        ))}
        <li className="muted">UTC</li>
      </ul>
    </>
  );
}

function Files({ statement, waiting }: { statement: SqlQuery; waiting: boolean }) {
  const [requested, setRequested] = useState<FileFormat | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const save = async (format: FileFormat) => {
    setRequested(format);
    setError(null);
    try {
      keep(`sql.${format === "excel" ? "csv" : format}`, await sqlFile(statement, format));
    } catch (failed) {
      setError(failed instanceof Error ? failed : new Error(String(failed)));
    }
    setRequested(null);
  };
  return (
    <div className="sql-files">
      {FORMATS.map(({ format, label }) => (
        <Button
          key={format}
          kind="quiet"
          disabled={waiting || requested !== null}
          aria-label={`Download as ${label}`}
          onClick={() => void save(format)}
        >
          <Download size={15} aria-hidden />
          {label}
        </Button>
      ))}
      {error && <ErrorNote error={error} />}
    </div>
  );
}
