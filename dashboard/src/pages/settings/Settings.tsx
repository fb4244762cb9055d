import { useId } from "react";
import type { Session } from "../../api/types";
import { may } from "../../api/rights";
import { useSession } from "../../api/session";
import { Tabs } from "../../components/controls/Tabs";
import { useParams } from "../../scope/scope";
import { AccountPanel } from "./AccountPanel";
import { AuditPanel } from "./AuditPanel";
import { Begin } from "./Begin";
import { RetentionPanel } from "./RetentionPanel";
import { SitesPanel } from "./SitesPanel";
import { KeysPanel } from "./keys/KeysPanel";
import { PeoplePanel } from "./people/PeoplePanel";
import "./Settings.css";

const TABS = {
  account: "Your account",
  sites: "Sites",
  keys: "Keys",
  people: "People",
  audit: "Audit log",
};
type Tab = keyof typeof TABS;

/** Who may send and read, and one's own account; each tab is there for those who may use it. */
export default function Settings() {
  const { data: session } = useSession();
  const [params, update] = useParams();
  const id = useId();
  if (!session) return null; // the entry waits for it
  const tabs = tabsOf(session);
  const tab = tabs.find((one) => one === params.get("tab")) ?? tabs[0];
  return (
    <>
      <header className="page-head">
        <div className="page-title">
          <h1>Settings</h1>
        </div>
      </header>
      {tab ? (
        <>
          <Tabs
            label="Settings"
            value={tab}
            panel={id}
            options={tabs.map((value) => ({ value, label: TABS[value] }))}
            onChange={(value) => update({ tab: value })}
          />
          <div className="settings-panel" role="tabpanel" id={id} aria-label={TABS[tab]}>
            <Panel tab={tab} session={session} />
          </div>
        </>
      ) : (
        <Begin session={session} />
      )}
    </>
  );
}

function tabsOf(session: Session): Tab[] {
  const manages = session.may.admin || may(session.may, "own", undefined);
  return [
    ...(session.user ? (["account"] as const) : []),
    ...(session.caller !== "open" && manages ? (["sites", "keys", "people", "audit"] as const) : []),
  ];
}

function Panel({ tab, session }: { tab: Tab; session: Session }) {
  switch (tab) {
    case "account":
      return <AccountPanel session={session} />;
    case "sites":
      return (
        <>
          <SitesPanel session={session} />
          <RetentionPanel />
        </>
      );
    case "keys":
      return <KeysPanel session={session} />;
    case "people":
      return <PeoplePanel session={session} />;
    case "audit":
      return <AuditPanel />;
  }
}
