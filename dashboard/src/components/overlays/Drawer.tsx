import type { ReactNode } from "react";
import { Dialog } from "./Dialog";
import "./Drawer.css";

/** A dialog at the page's side; on a phone it covers the page. */
export function Drawer({
  title,
  onClose,
  children,
}: {
  title: ReactNode;
  onClose: () => void;
  children: ReactNode;
}) {
  return (
    <Dialog className="drawer" {...{ title, onClose }}>
      {children}
    </Dialog>
  );
}
