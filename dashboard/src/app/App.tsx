import { QueryClientProvider } from "@tanstack/react-query";
import { Suspense, useState } from "react";
import { Link, Route, Switch, useLocation } from "wouter";
import { makeQueryClient } from "../api/queryClient";
import { ErrorBoundary } from "./ErrorBoundary";
import { KeyDialog } from "./KeyDialog";
import { Shell } from "./Shell";
import { PAGES, SHARED } from "./pages";
import { EmptyState } from "../components/display/EmptyState";
import { Skeleton } from "../components/display/Skeleton";

export function App() {
  const [client] = useState(makeQueryClient);
  const [path] = useLocation();
  if (path === SHARED.path) {
    return (
      <QueryClientProvider client={client}>
        <main className="shared" id="content">
          <ErrorBoundary>
            <Suspense fallback={<Skeleton lines={3} height={96} />}>
              <title>Shared board · Tallystick</title>
              <SHARED.Content />
            </Suspense>
          </ErrorBoundary>
        </main>
      </QueryClientProvider>
    );
  }
  return (
    <QueryClientProvider client={client}>
      <Shell>
        <Switch>
          {PAGES.map(({ path, title, Content }) => (
            <Route key={path} path={path}>
              <ErrorBoundary key={path}>
                <Suspense fallback={<Skeleton lines={3} height={96} />}>
                  <title>{`${title} · Tallystick`}</title>
                  <Content />
                </Suspense>
              </ErrorBoundary>
            </Route>
          ))}
          <Route>
            <EmptyState title="There is no such page">
              <p>
                <Link href="/">To the overview</Link>
              </p>
            </EmptyState>
          </Route>
        </Switch>
      </Shell>
      <KeyDialog />
    </QueryClientProvider>
  );
}
