import { X } from "lucide-react";
import { type ReactNode, useEffect, useId, useRef } from "react";
import "./Dialog.css";

/**
 * What `Modal` and `Drawer` share: a modal dialog with a title. Escape, the cross and a click on the backdrop close it.
 * The element with `data-autofocus` has the focus first, or else the browser's choice. Afterwards the element that had
 * it before has it again.
 */
export function Dialog({
  title,
  className,
  onClose,
  children,
}: {
  title: ReactNode;
  className: string;
  onClose: () => void;
  children: ReactNode;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const pressed = useRef<EventTarget>(null);
  const id = useId();
  useEffect(() => {
    const shown = dialog.current;
    const opener = document.activeElement;
    shown?.showModal();
    shown?.querySelector<HTMLElement>("[data-autofocus]")?.focus();
    return () => {
      shown?.close();
      // React has removed the dialog by now, so the browser does not return the focus.
      if (opener instanceof HTMLElement) opener.focus();
    };
  }, []);
  return (
    <dialog
      className={`dialog ${className}`}
      ref={dialog}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onPointerDown={(event) => (pressed.current = event.target)}
      onClick={(event) => {
        // Text selected from inside to outside ends with a click on the backdrop, too; it leaves the dialog open.
        if (event.target === dialog.current && pressed.current === dialog.current) onClose();
      }}
    >
      <header className="dialog-head">
        <h2 id={id}>{title}</h2>
        <button type="button" className="icon-button" aria-label="Close" onClick={onClose}>
          <X size={18} aria-hidden />
        </button>
      </header>
      <div className="dialog-body">{children}</div>
    </dialog>
  );
}
