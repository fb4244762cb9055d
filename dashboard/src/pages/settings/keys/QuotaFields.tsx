import type { QuotaForm } from "./keyFields";

const FIELDS = [
  { name: "eventsPerSecond", label: "Most events a second (optional)" },
  { name: "bytesPerSecond", label: "Most bytes a second (optional)" },
] as const;

/** What a write key may send a second. */
export function QuotaFields({
  form,
  onChange,
}: {
  form: QuotaForm;
  onChange: (part: Partial<QuotaForm>) => void;
}) {
  return FIELDS.map(({ name, label }) => (
    <label className="field" key={name}>
      <span>{label}</span>
      <input
        type="number"
        min={0}
        step={1}
        placeholder="as the server’s settings; 0 is any number"
        value={form[name]}
        onChange={(event) => onChange({ [name]: event.target.value })}
      />
    </label>
  ));
}
