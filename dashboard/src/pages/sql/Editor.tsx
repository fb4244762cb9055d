import { type KeyboardEvent, type RefObject, useRef } from "react";
import { tokens } from "./state";
import "./Editor.css";

/** Where a statement is written: a text area whose own text is invisible, above the same text in colours. */
export function Editor({
  text,
  area,
  described,
  invalid,
  onChange,
  onRun,
}: {
  text: string;
  area: RefObject<HTMLTextAreaElement | null>;
  /** Ids of what describes it. */
  described: string;
  invalid: boolean;
  onChange: (text: string) => void;
  onRun: () => void;
}) {
  // After Escape the Tab key leaves, so that keyboard users can leave the editor.
  const leaving = useRef(false);
  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      onRun();
    } else if (
      event.key === "Tab" &&
      !event.shiftKey &&
      !event.ctrlKey &&
      !event.altKey &&
      !leaving.current
    ) {
      event.preventDefault();
      insert(event.currentTarget, "  ");
    }
    leaving.current = event.key === "Escape";
  };
  return (
    <div className="sql-editor">
      <div className="sql-sheet">
        <pre className="sql-colours" aria-hidden>
          {tokens(text).map((token, place) => (
            <span key={place} className={`sql-${token.kind}`}>
              {token.text}
            </span>
          ))}
          {"\n"}
        </pre>
        <textarea
          ref={area}
          aria-label="SQL statement"
          aria-describedby={described}
          aria-invalid={invalid}
          value={text}
          maxLength={20_000}
          spellCheck={false}
          autoCapitalize="off"
          autoCorrect="off"
          autoComplete="off"
          placeholder="SELECT …"
          onChange={(event) => onChange(event.target.value)}
          onKeyDown={onKeyDown}
          onBlur={() => (leaving.current = false)}
        />
      </div>
    </div>
  );
}

/** Put a text at the selection, as a step that can be undone where the browser lets it be one. */
export function insert(area: HTMLTextAreaElement, text: string): void {
  area.focus();
  // The only way that keeps the history of undoing; the input event updates React's state.
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  if (document.execCommand("insertText", false, text)) return;
  area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
  area.dispatchEvent(new Event("input", { bubbles: true }));
}
