import { stringify } from "../../api/digits";
import "./Json.css";

/** A value as indented JSON; strings are shown as text, whatever they hold. */
export function Json({ value, label }: { value: unknown; label: string }) {
  return (
    <pre className="json" tabIndex={0} aria-label={label}>
      <code>{stringify(value, 2)}</code>
    </pre>
  );
}
