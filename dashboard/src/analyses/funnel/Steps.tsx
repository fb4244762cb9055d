import { ArrowDown, ArrowUp, Plus, X } from "lucide-react";
import { type KeyboardEvent, useEffect, useRef } from "react";
import { moved, STEPS_MAX } from "./state";
import { Button } from "../../components/controls/Button";
import { TestPicker } from "../../components/events/TestPicker";
import { ANY, type Test, testLabel } from "../../components/events/tests";
import type { View } from "../../scope/scope";
import "./Steps.css";

/** The steps of the funnel, to be chosen, filtered, moved, added and taken away. */
export function Steps({
  view,
  steps,
  onChange,
}: {
  view: View;
  steps: readonly Test[];
  onChange: (steps: Test[]) => void;
}) {
  const list = useRef<HTMLOListElement>(null);
  // A step that was moved takes the focus along.
  const follow = useRef<{ index: number; action: string } | null>(null);
  useEffect(() => {
    const wanted = follow.current;
    follow.current = null;
    if (!wanted) return;
    const item = list.current?.children[wanted.index];
    const button =
      item?.querySelector<HTMLButtonElement>(`[data-action="${wanted.action}"]:not(:disabled)`) ??
      item?.querySelector<HTMLButtonElement>("[data-action]:not(:disabled)");
    button?.focus();
  });
  const move = (from: number, to: number, action: string) => {
    if (to < 0 || to >= steps.length) return;
    follow.current = { index: to, action };
    onChange(moved(steps, from, to));
  };
  const remove = (index: number) => {
    follow.current = { index: Math.min(index, steps.length - 2), action: "remove" };
    onChange(steps.filter((_, at) => at !== index));
  };
  const onKeyDown = (event: KeyboardEvent, index: number) => {
    const by = event.key === "ArrowUp" ? -1 : event.key === "ArrowDown" ? 1 : 0;
    if (!event.altKey || by === 0) return;
    event.preventDefault();
    move(index, index + by, by < 0 ? "up" : "down");
  };
  return (
    <div className="steps">
      <ol className="steps-list" ref={list} aria-label="Steps">
        {steps.map((test, index) => (
          <li key={index} className="steps-item" onKeyDown={(event) => onKeyDown(event, index)}>
            <span className="funnel-number" aria-hidden>
              {index + 1}
            </span>
            <div className="steps-test">
              <TestPicker
                view={view}
                label={`Step ${index + 1}`}
                test={test}
                onChange={(to) => onChange(steps.map((one, at) => (at === index ? to : one)))}
              />
            </div>
            <div className="steps-buttons">
              <StepButton
                action="up"
                label={`Move step ${index + 1}, ${testLabel(test)}, up`}
                disabled={index === 0}
                onClick={() => move(index, index - 1, "up")}
              >
                <ArrowUp size={15} aria-hidden />
              </StepButton>
              <StepButton
                action="down"
                label={`Move step ${index + 1}, ${testLabel(test)}, down`}
                disabled={index === steps.length - 1}
                onClick={() => move(index, index + 1, "down")}
              >
                <ArrowDown size={15} aria-hidden />
              </StepButton>
              <StepButton
                action="remove"
                label={`Remove step ${index + 1}, ${testLabel(test)}`}
                disabled={steps.length <= 2}
                onClick={() => remove(index)}
              >
                <X size={15} aria-hidden />
              </StepButton>
            </div>
          </li>
        ))}
      </ol>
      <Button
        className="button-dashed steps-add"
        disabled={steps.length >= STEPS_MAX}
        title={steps.length >= STEPS_MAX ? `A funnel has at most ${STEPS_MAX} steps` : undefined}
        onClick={() => onChange([...steps, ANY])}
      >
        <Plus size={14} aria-hidden /> Add a step
      </Button>
    </div>
  );
}

function StepButton({
  action,
  label,
  disabled,
  onClick,
  children,
}: {
  action: string;
  label: string;
  disabled: boolean;
  onClick: () => void;
  children: React.ReactNode;
}) {
  return (
    <button
      type="button"
      className="icon-button"
      data-action={action}
      aria-label={label}
      title={label}
      disabled={disabled}
      onClick={onClick}
    >
      {children}
    </button>
  );
}
