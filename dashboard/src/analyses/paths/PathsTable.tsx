import { useState } from "react";
import type { PathRow } from "../../api/types";
import { Button } from "../../components/controls/Button";
import { exact, percent } from "../../format/number";
import "./PathsTable.css";

/** Rows of each step, until the reader shows all. */
const FEW = 5;

/** Every edge of the answer as text: what the picture shows, for those who cannot see it and for small screens. */
export function PathsTable({
  rows,
  by,
  backwards,
}: {
  rows: readonly PathRow[];
  by: "page" | "event";
  /** Steps are counted back from an end. */
  backwards: boolean;
}) {
  const [all, setAll] = useState(false);
  const whole = new Map<number, number>();
  for (const row of rows) whole.set(row.step, (whole.get(row.step) ?? 0) + row.sessions);
  const places = new Map<number, number>();
  const few = rows.filter((row) => {
    const place = (places.get(row.step) ?? 0) + 1;
    places.set(row.step, place);
    return place <= FEW;
  });
  const shown = all ? rows : few;
  return (
    <>
      <div className="table-scroll" tabIndex={0} role="group" aria-label="Ways">
        <table className="table paths-table">
          <thead>
            <tr>
              <th scope="col">Step</th>
              <th scope="col">From</th>
              <th scope="col">To</th>
              <th scope="col" className="right">
                Sessions
              </th>
              <th scope="col" className="right">
                Of the step
              </th>
            </tr>
          </thead>
          <tbody>
            {shown.map((row, index) => (
              <tr key={index}>
                <td className="number">{backwards ? `−${row.step}` : row.step}</td>
                {row.other === true ? (
                  <td colSpan={2} className="muted">
                    All other ways
                  </td>
                ) : (
                  <>
                    <End name={row.source} none="(began here)" />
                    <End name={row.target} none="(ended here)" />
                  </>
                )}
                <td className="right" data-sessions={row.sessions}>
                  {exact(row.sessions)}
                </td>
                <td className="right">{percent(row.sessions, whole.get(row.step) ?? 0)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {!all && rows.length > few.length && (
        <div className="more">
          <Button onClick={() => setAll(true)}>
            Show all {exact(rows.length)} ways between {by}s
          </Button>
        </div>
      )}
    </>
  );
}

function End({ name, none }: { name: string | null; none: string }) {
  return name === null ? <td className="muted">{none}</td> : <td title={name}>{name || "(empty)"}</td>;
}
