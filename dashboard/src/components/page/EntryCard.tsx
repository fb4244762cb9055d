import type { ReactNode } from "react";
import { Logo } from "../display/Logo";
import "./EntryCard.css";

/** The frame of the pages that come before all others, without the menu. */
export function EntryCard({ title, children }: { title: string; children: ReactNode }) {
  return (
    <main className="entry" id="content">
      <title>{`${title} · Tallystick`}</title>
      <p className="entry-brand">
        <Logo size={28} />
        Tallystick
      </p>
      <section className="card entry-card" aria-labelledby="entry-title">
        <h1 id="entry-title">{title}</h1>
        {children}
      </section>
    </main>
  );
}
