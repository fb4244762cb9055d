import type { ReactNode } from "react";
import { Dialog } from "./Dialog";
import "./Modal.css";

/** A dialog in the middle of the page. */
export function Modal({
  title,
  wide = false,
  onClose,
  children,
}: {
  title: ReactNode;
  wide?: boolean;
  onClose: () => void;
  children: ReactNode;
}) {
  return (
    <Dialog className={wide ? "modal wide" : "modal"} {...{ title, onClose }}>
      {children}
    </Dialog>
  );
}
