import { type ReactNode, useEffect, useId, useRef, useState } from "react";
import "./Popover.css";

/** A button that opens a small panel; Escape, a click elsewhere or leaving it with Tab closes it. */
export function Popover({
  button,
  label,
  title,
  buttonClass = "button button-plain",
  align = "start",
  children,
}: {
  button: ReactNode;
  /** What the button is called, where its content does not say it. */
  label?: string;
  /** What the panel is called. */
  title: string;
  buttonClass?: string;
  align?: "start" | "end";
  children: (close: () => void) => ReactNode;
}) {
  const [open, setOpen] = useState(false);
  const id = useId();
  const root = useRef<HTMLDivElement>(null);
  const close = () => {
    setOpen(false);
    document.getElementById(`${id}-button`)?.focus();
  };

  useEffect(() => {
    if (!open) return;
    const panel = root.current?.querySelector<HTMLElement>(".popover-panel");
    const first = panel?.querySelector<HTMLElement>("[data-autofocus]");
    if (first) first.focus();
    else if (!panel?.contains(document.activeElement)) panel?.focus();
    const elsewhere = (event: Event) => {
      if (event.target instanceof Node && !root.current?.contains(event.target)) setOpen(false);
    };
    document.addEventListener("pointerdown", elsewhere);
    document.addEventListener("focusin", elsewhere);
    return () => {
      document.removeEventListener("pointerdown", elsewhere);
      document.removeEventListener("focusin", elsewhere);
    };
  }, [open]);

  return (
    <div
      className="popover"
      ref={root}
      onKeyDown={(event) => {
        if (event.key !== "Escape" || !open) return;
        event.stopPropagation();
        close();
      }}
    >
      <button
        type="button"
        id={`${id}-button`}
        className={buttonClass}
        aria-expanded={open}
        aria-haspopup="dialog"
        aria-controls={open ? id : undefined}
        aria-label={label}
        onClick={() => setOpen(!open)}
      >
        {button}
      </button>
      {open && (
        <div
          className={`popover-panel popover-${align}`}
          role="dialog"
          aria-label={title}
          id={id}
          tabIndex={-1}
        >
          {children(close)}
        </div>
      )}
    </div>
  );
}
