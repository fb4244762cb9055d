import { exact, percent, short } from "../../format/number";
import "./BarList.css";

export interface BarRow {
  /** null: the field is not set; undefined: all the rest. */
  value: string | null | undefined;
  number: number;
  /** What is shown instead of the value. */
  label?: string;
}

interface Props {
  rows: BarRow[];
  unit: string;
  /** What the numbers are parts of; null when that is not known. */
  whole: number | null;
  chosen: (value: string | null) => boolean;
  /** Whether a click on this value means anything. */
  choosable?: (value: string | null) => boolean;
  onChoose: (value: string | null) => void;
}

/** Values with bars behind them; a click on one chooses it. */
export function BarList({ rows, ...rest }: Props) {
  const largest = Math.max(1e-9, ...rows.filter((row) => row.value !== undefined).map((row) => row.number));
  return (
    <ul className="bars">
      {rows.map((row) => (
        <li key={row.value === undefined ? "other" : row.value === null ? "none" : `=${row.value}`}>
          <Bar row={row} largest={largest} {...rest} />
        </li>
      ))}
    </ul>
  );
}

function textOf({ value, label }: BarRow): string {
  if (value === undefined) return "All others";
  return label ?? (value === null ? "(none)" : value || "(empty)");
}

function Bar({
  row,
  largest,
  unit,
  whole,
  chosen,
  choosable = () => true,
  onChoose,
}: Omit<Props, "rows"> & { row: BarRow; largest: number }) {
  const { value, number } = row;
  const text = textOf(row);
  const content = (
    <>
      {value !== undefined && <span className="bar-fill" style={{ width: `${(number / largest) * 100}%` }} />}
      <span className={value ? "bar-text" : "bar-text muted"}>{text}</span>
      <span className="bar-number number" title={`${exact(number)} ${unit}`} data-exact={number}>
        {short(number)}
      </span>
      {whole !== null && <span className="bar-part number">{percent(number, whole)}</span>}
    </>
  );
  if (value === undefined) return <div className="bar-row rest">{content}</div>;
  if (!choosable(value)) {
    return (
      <div className="bar-row fixed" data-value={value ?? ""} title={text}>
        {content}
      </div>
    );
  }
  return (
    <button
      type="button"
      className="bar-row"
      aria-pressed={chosen(value)}
      title={value !== null && text !== value ? `${text} (${value})` : text}
      data-value={value ?? ""}
      onClick={() => onChoose(value)}
    >
      {content}
    </button>
  );
}
