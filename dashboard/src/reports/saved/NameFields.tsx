/** What a report or a board is called; limits as the API has them. */

export interface Named {
  name: string;
  description: string;
}

export function NameFields({ value, onChange }: { value: Named; onChange: (value: Named) => void }) {
  return (
    <>
      <label className="field">
        <span>Name</span>
        <input
          data-autofocus
          required
          maxLength={200}
          autoComplete="off"
          value={value.name}
          onFocus={(event) => event.target.select()}
          onChange={(event) => onChange({ ...value, name: event.target.value })}
        />
      </label>
      <label className="field">
        <span>Description (optional)</span>
        <textarea
          className="text-area"
          rows={2}
          maxLength={2000}
          value={value.description}
          onChange={(event) => onChange({ ...value, description: event.target.value })}
        />
      </label>
    </>
  );
}
