import { Check, Copy } from "lucide-react";
import { useRef, useState } from "react";
import { Button } from "./Button";
import "./Command.css";

/** A shell command or a piece of code, with a button that copies it. */
export function Command({ text, label }: { text: string; label: string }) {
  const [said, setSaid] = useState("Copy");
  const code = useRef<HTMLElement>(null);
  const copy = async () => {
    setSaid((await copied(text)) ? "Copied" : selected(code.current));
    setTimeout(() => setSaid("Copy"), 2_000);
  };
  return (
    <div className="command">
      <pre tabIndex={0} aria-label={label}>
        <code ref={code}>{text}</code>
      </pre>
      <Button kind="quiet" aria-label={`Copy ${label}`} onClick={() => void copy()}>
        {said === "Copied" ? <Check size={15} aria-hidden /> : <Copy size={15} aria-hidden />}
        {said}
      </Button>
    </div>
  );
}

/** Browsers have a clipboard for https:// and this machine alone, and may refuse it. */
async function copied(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** Where there is no clipboard the text is selected, for the keyboard to copy. */
function selected(code: HTMLElement | null): string {
  if (code) getSelection()?.selectAllChildren(code);
  return "Press Ctrl+C";
}
