import { QueryClientProvider } from "@tanstack/react-query";
import { Suspense, useState } from "react";
import { Link, Redirect, Route, Switch, useLocation } from "wouter";
import { makeQueryClient } from "../api/queryClient";
import { ErrorBoundary } from "./ErrorBoundary";
import { Entry } from "./entry/Entry";
import { LOGIN_PATH } from "./entry/Login";
import { Shell } from "./Shell";
import { JOIN, PAGES, SHARED } from "./pages";
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
  if (path === JOIN.path) {
    return (
      <QueryClientProvider client={client}>
        <ErrorBoundary>
          <Suspense>
            <JOIN.Content />
          </Suspense>
        </ErrorBoundary>
      </QueryClientProvider>
    );
  }
  return (
    <QueryClientProvider client={client}>
      <Entry>
        <Pages />
      </Entry>
    </QueryClientProvider>
  );
}

function Pages() {
  return (
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
        <Route path={LOGIN_PATH}>
          <Redirect to="/" replace />
        </Route>
        <Route>
          <EmptyState title="There is no such page">
            <p>
              <Link href="/">To the overview</Link>
            </p>
          </EmptyState>
        </Route>
      </Switch>
    </Shell>
  );
}
