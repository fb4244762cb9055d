import { useEffect, useState } from "react";
import { ago } from "../../format/number";

/** The time since an instant (milliseconds since the epoch), updated every second. */
export function Ago({ at }: { at: number }) {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return <>{ago(Math.max(0, (now - at) / 1000))}</>;
}
