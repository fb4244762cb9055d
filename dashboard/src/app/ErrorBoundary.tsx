import { Component, type ReactNode } from "react";
import { ErrorNote } from "../components/display/ErrorNote";

/** Keeps the menu usable when a page fails, such as when its files cannot be loaded any more. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { error: Error | null }> {
  override state: { error: Error | null } = { error: null };

  static getDerivedStateFromError(error: unknown) {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  override render() {
    const { error } = this.state;
    if (!error) return this.props.children;
    const shown = new Error(`This page could not be shown: ${error.message}`);
    return <ErrorNote error={shown} retry={() => location.reload()} />;
  }
}
