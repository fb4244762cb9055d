import { ActiveUsers, Lifecycle, Stickiness } from "../../analyses/retention/ActivityPanels";
import { Cohorts } from "../../analyses/retention/CohortsPanel";
import { type Coming, comingParams, readComing, type Tab, TABS } from "../../analyses/retention/state";
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
  const coming = readComing(params, view.span);
  const onChange = (change: Partial<Coming>) => update(comingParams(change));
  const shown = { view, coming, onChange };
  const draft = retentionDraft(view, coming);
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
            value={coming.tab}
            options={TABS.map((value) => ({ value, label: TAB_LABELS[value] }))}
            onChange={(tab) => onChange({ tab })}
          />
        </div>
        <FilterBar view={view} />
        {coming.tab === "retention" ? (
          <Cohorts {...shown} />
        ) : coming.tab === "lifecycle" ? (
          <Lifecycle {...shown} />
        ) : coming.tab === "stickiness" ? (
          <Stickiness {...shown} />
        ) : (
          <ActiveUsers {...shown} />
        )}
      </Site>
    </>
  );
}
