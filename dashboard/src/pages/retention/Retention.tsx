import { ActiveUsers, Lifecycle, Stickiness } from "../../analyses/retention/ActivityPanels";
import { Cohorts } from "../../analyses/retention/CohortsPanel";
import {
  type RetentionState,
  retentionParams,
  readRetention,
  type Tab,
  TABS,
} from "../../analyses/retention/state";
import { Segmented } from "../../components/controls/Segmented";
import { FilterBar } from "../../components/page/FilterBar";
import { PageHead } from "../../components/page/PageHead";
import { RangePicker, ZonePicker } from "../../components/page/RangePicker";
import { Site } from "../../components/page/Site";
import { OpenReport, SaveButton } from "../../reports/saved/ReportBar";
import { retentionDraft } from "../../reports/saved/draft";
import { useParams, useView } from "../../scope/scope";
import "./Retention.css";

const TAB_LABELS: Record<Tab, string> = {
  retention: "Retention",
  lifecycle: "Lifecycle",
  stickiness: "Stickiness",
  active: "Active users",
};

export default function Retention() {
  const view = useView();
  const [params, update] = useParams();
  const retention = readRetention(params, view.span);
  const onChange = (change: Partial<RetentionState>) => update(retentionParams(change));
  const shown = { view, retention, onChange };
  const draft = retentionDraft(view, retention);
  return (
    <>
      <PageHead title="Retention" view={view}>
        <ZonePicker view={view} />
        <RangePicker view={view} comparison={false} />
        <SaveButton {...{ view, draft }} />
      </PageHead>
      <OpenReport {...{ view, draft }} />
      <Site>
        <div className="tab-bar">
          <Segmented<Tab>
            label="Question"
            value={retention.tab}
            options={TABS.map((value) => ({ value, label: TAB_LABELS[value] }))}
            onChange={(tab) => onChange({ tab })}
          />
        </div>
        <FilterBar view={view} />
        {retention.tab === "retention" ? (
          <Cohorts {...shown} />
        ) : retention.tab === "lifecycle" ? (
          <Lifecycle {...shown} />
        ) : retention.tab === "stickiness" ? (
          <Stickiness {...shown} />
        ) : (
          <ActiveUsers {...shown} />
        )}
      </Site>
    </>
  );
}
