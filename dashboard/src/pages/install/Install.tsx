import { Install } from "../../install/Install";

export default function InstallPage() {
  return (
    <>
      <header className="page-head">
        <div className="page-title">
          <h1>Install</h1>
        </div>
      </header>
      <Install />
    </>
  );
}
