import { Check, Copy } from "lucide-react";
import { useState } from "react";
import { Button } from "./Button";
import "./Command.css";

/** A shell command with a button that copies it. */
export function Command({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 2_000);
  };
  return (
    <div className="command">
      <pre tabIndex={0} aria-label={label}>
        <code>{text}</code>
      </pre>
      <Button kind="quiet" aria-label={`Copy ${label}`} onClick={() => void copy()}>
        {copied ? <Check size={15} aria-hidden /> : <Copy size={15} aria-hidden />}
        {copied ? "Copied" : "Copy"}
      </Button>
    </div>
  );
}
