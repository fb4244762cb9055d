import { exact, percent, short } from "../format/number";

export interface BarRow {
  /** null: the field is not set; undefined: all the rest. */
  value: string | null | undefined;
  number: number;
}

/** Values with bars behind them; a click on one chooses it. */
export function BarList({
  rows,
  unit,
  whole,
  chosen,
  onChoose,
}: {
  rows: BarRow[];
  unit: string;
  /** What the numbers are parts of; null when they do not add up to anything. */
  whole: number | null;
  chosen: (value: string | null) => boolean;
  onChoose: (value: string | null) => void;
}) {
  const largest = Math.max(1e-9, ...rows.filter((row) => row.value !== undefined).map((row) => row.number));
  return (
    <ul className="bars">
      {rows.map((row) => {
        const text =
          row.value === undefined ? "All others" : row.value === null ? "(none)" : row.value || "(empty)";
        const content = (
          <>
            {row.value !== undefined && (
              <span className="bar-fill" style={{ width: `${(row.number / largest) * 100}%` }} />
            )}
            <span className={row.value ? "bar-text" : "bar-text muted"}>{text}</span>
            <span className="bar-number number" title={`${exact(row.number)} ${unit}`}>
              {short(row.number)}
            </span>
            {whole !== null && <span className="bar-part number">{percent(row.number, whole)}</span>}
          </>
        );
        const { value } = row;
        return (
          <li key={value === undefined ? "other" : value === null ? "none" : `=${value}`}>
            {value === undefined ? (
              <div className="bar-row rest">{content}</div>
            ) : (
              <button
                type="button"
                className="bar-row"
                aria-pressed={chosen(value)}
                title={text}
                onClick={() => onChoose(value)}
              >
                {content}
              </button>
            )}
          </li>
        );
      })}
    </ul>
  );
}
