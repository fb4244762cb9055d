import { useMemo, useState } from "react";
import type { SqlResult } from "../../api/types";
import { Button } from "../../components/controls/Button";
import { exact } from "../../format/number";
import { isInstant, isNumber, showers, wholeText } from "./cells";
import "./ResultTable.css";

/** Rows that are drawn at first, and with each "more". */
const STEP = 200;
/** Characters from which a value is cut. */
const LONG = 60;

/** The rows as they are: everything is text, whatever it looks like. */
export function ResultTable({ answer }: { answer: SqlResult }) {
  const [most, setMost] = useState(STEP);
  const { columns, rows } = answer;
  const show = useMemo(() => showers(answer), [answer]);
  return (
    <>
      <div className="table-scroll sql-table" tabIndex={0} role="group" aria-label="Rows">
        <table className="table">
          <thead>
            <tr>
              {columns.map((column, place) => (
                <th key={place} scope="col" className={isNumber(column) ? "right" : undefined}>
                  <span className="sql-head">{column.name}</span>
                  <span className="sql-type">
                    {column.type}
                    {isInstant(column) && ", UTC"}
                  </span>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, most).map((row, line) => (
              <tr key={line}>
                {row.map((value, place) => (
                  <td key={place} className={isNumberAt(answer, place) ? "right" : undefined}>
                    <Cell value={value} shown={show[place]?.(value) ?? null} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rows.length > most && (
        <div className="more">
          <Button onClick={() => setMost(most + 5 * STEP)}>
            Show more: {exact(most)} of {exact(rows.length)} rows
          </Button>
        </div>
      )}
    </>
  );
}

function isNumberAt({ columns }: SqlResult, place: number): boolean {
  const column = columns[place];
  return column !== undefined && isNumber(column);
}

function Cell({ value, shown }: { value: unknown; shown: string | null }) {
  const [open, setOpen] = useState(false);
  if (shown === null) return <span className="sql-null">NULL</span>;
  if (shown === "") return <span className="sql-null">empty</span>;
  if (shown.length > LONG) {
    return (
      <button
        type="button"
        className={open ? "sql-long open" : "sql-long"}
        aria-expanded={open}
        title={open ? undefined : shown.slice(0, 2_000)}
        onClick={() => setOpen(!open)}
      >
        {open ? shown : `${shown.slice(0, LONG)}…`}
      </button>
    );
  }
  const whole = wholeText(value);
  return <span title={whole === null || whole === shown ? undefined : whole}>{shown}</span>;
}
