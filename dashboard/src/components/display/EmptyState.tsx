import type { ReactNode } from "react";
import "./EmptyState.css";

/** What a card shows when it has no content, and why. */
export function EmptyState({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="nothing">
      <p className="nothing-title">{title}</p>
      {children}
    </div>
  );
}
