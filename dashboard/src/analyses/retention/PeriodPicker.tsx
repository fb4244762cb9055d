import { Select } from "../../components/controls/Select";
import type { View } from "../../scope/scope";
import { type Coming, PERIODS } from "./state";

const PERIOD_LABELS = { day: "By day", week: "By week", month: "By month" };

/** What each tab of the retention page gets. */
export interface TabProps {
  view: View;
  coming: Coming;
  onChange: (change: Partial<Coming>) => void;
}

/** Chooses the length of the periods. */
export function PeriodPicker({ coming, onChange }: TabProps) {
  return (
    <Select
      label="Period"
      value={coming.every}
      options={PERIODS.map((value) => ({ value, label: PERIOD_LABELS[value] }))}
      onChange={(every) => onChange({ every })}
    />
  );
}
