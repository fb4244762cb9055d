import { RotateCw, TriangleAlert } from "lucide-react";
import { Button } from "../controls/Button";
import "./ErrorNote.css";

/** An error with the API's own sentence. */
export function ErrorNote({ error, retry }: { error: Error; retry?: (() => void) | undefined }) {
  return (
    <div className="note note-error" role="alert">
      <TriangleAlert size={18} aria-hidden />
      <p>{error.message}</p>
      {retry && (
        <Button onClick={retry}>
          <RotateCw size={14} aria-hidden /> Try again
        </Button>
      )}
    </div>
  );
}
