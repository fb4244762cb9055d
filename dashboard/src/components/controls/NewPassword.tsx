import { useState } from "react";

/** Characters of a password, as the server wants them. */
const SHORTEST = 12;
const LONGEST = 256;

/** A field for a password that is set anew; what is typed can be shown, instead of typed twice. */
export function NewPassword({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const [shown, setShown] = useState(false);
  return (
    <>
      <label className="field">
        <span>New password ({SHORTEST} characters or more)</span>
        <input
          type={shown ? "text" : "password"}
          name="new-password"
          autoComplete="new-password"
          required
          minLength={SHORTEST}
          maxLength={LONGEST}
          spellCheck={false}
          autoCapitalize="none"
          value={value}
          onChange={(event) => onChange(event.target.value)}
        />
      </label>
      <label className="check">
        <input type="checkbox" checked={shown} onChange={(event) => setShown(event.target.checked)} />
        Show the password
      </label>
    </>
  );
}
