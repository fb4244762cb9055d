import "./Skeleton.css";
export function Skeleton({ lines = 1, height }: { lines?: number; height?: number }) {
  return (
    <div className="skeleton" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, index) => (
        <div key={index} className="skeleton-line" style={height === undefined ? undefined : { height }} />
      ))}
    </div>
  );
}
