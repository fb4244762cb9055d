import { type ReactNode, useEffect, useRef, useState } from "react";
import "./Fill.css";

/** What is left of a tile's height, for a chart of just that height. */
export function Fill({ children }: { children: (height: number) => ReactNode }) {
  const frame = useRef<HTMLDivElement>(null);
  const [height, setHeight] = useState(0);
  useEffect(() => {
    const shown = frame.current;
    if (!shown) return;
    const observer = new ResizeObserver(() => setHeight(Math.floor(shown.clientHeight)));
    observer.observe(shown);
    return () => observer.disconnect();
  }, []);
  return (
    <div className="tile-fill" ref={frame}>
      {height > 0 && children(height)}
    </div>
  );
}
