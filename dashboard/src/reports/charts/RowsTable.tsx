import { stringify } from "../../api/digits";
import { EmptyState } from "../../components/display/EmptyState";
import { exact } from "../../format/number";
import { moment } from "../../format/time";
import { fieldLabel } from "../../scope/filters";
import "./RowsTable.css";

/** Fields of which a value is an instant. */
const INSTANTS = ["timestamp", "received_at", "first_seen", "last_seen", "first_at", "last_at", "bucket"];

/** How many rows are shown: what is beyond is for files, not for a board. */
const MOST = 200;

type Row = Record<string, unknown>;

/** Any rows, as they are: for what no chart is made. */
export function RowsTable({ rows: given, zone }: { rows: readonly object[]; zone: string }) {
  const rows: Row[] = given.map((row) => ({ ...row }));
  const names = [...new Set(rows.slice(0, MOST).flatMap(Object.keys))].filter((name) => name !== "previous");
  if (rows.length === 0) return <EmptyState title="Nothing in this range" />;
  return (
    <div className="table-scroll tile-table" tabIndex={0} role="group" aria-label="Rows">
      <table className="table">
        <thead>
          <tr>
            {names.map((name) => (
              <th key={name} scope="col" className={numeric(rows, name) ? "right" : undefined}>
                {columnLabel(name)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, MOST).map((row, index) => (
            <tr key={index}>
              {names.map((name) => (
                <td key={name} className={typeof row[name] === "number" ? "right" : undefined}>
                  {text(row[name], name, zone)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > MOST && (
        <p className="muted tile-more">
          The first {MOST} of {exact(rows.length)} rows.
        </p>
      )}
    </div>
  );
}

/** The label of a built-in column such as `first_seen`; a column that the query names keeps its name. */
function columnLabel(name: string): string {
  const label = fieldLabel(name);
  return label === name && /^[a-z]+(_[a-z]+)+$|^[a-z]{3,}$/.test(name)
    ? `${name.charAt(0).toUpperCase()}${name.slice(1).replaceAll("_", " ")}`
    : label;
}

function numeric(rows: readonly Row[], name: string): boolean {
  return typeof rows.find((row) => row[name] != null)?.[name] === "number";
}

function text(value: unknown, name: string, zone: string): string {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") return exact(value);
  if (typeof value !== "string") return stringify(value);
  return INSTANTS.includes(name) && !Number.isNaN(Date.parse(value)) ? moment(value, zone) : value;
}
