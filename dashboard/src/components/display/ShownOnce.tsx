import type { ReactNode } from "react";
import { Command } from "../controls/Command";
import "./ShownOnce.css";

/** A secret that the server gave out just now and keeps no copy of. */
export function ShownOnce({ text, label, children }: { text: string; label: string; children: ReactNode }) {
  return (
    <div className="shown-once" role="status">
      <p>{children} Copy it now: it will not be shown again.</p>
      <Command text={text} label={label} />
    </div>
  );
}
