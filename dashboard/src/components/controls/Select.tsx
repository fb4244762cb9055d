import "./Select.css";
/** A native select: the system's own list is the best one on a phone and with a keyboard. */
export function Select<Value extends string>({
  label,
  value,
  options,
  onChange,
  showLabel = false,
}: {
  label: string;
  value: Value;
  options: readonly { value: Value; label: string }[];
  onChange: (value: Value) => void;
  showLabel?: boolean;
}) {
  return (
    <label className="select">
      <span className={showLabel ? "select-label" : "hidden-text"}>{label}</span>
      <select value={value} onChange={(event) => onChange(event.target.value as Value)}>
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.label}
          </option>
        ))}
      </select>
    </label>
  );
}
