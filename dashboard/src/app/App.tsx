import { QueryClientProvider } from "@tanstack/react-query";
import { Suspense, useState } from "react";
import { Link, Route, Switch, useLocation } from "wouter";
import { makeQueryClient } from "../api/hooks";
import { Nothing, Skeleton } from "../ui/basics";
import { KeyDialog } from "./KeyDialog";
import { PAGES, SHARED } from "./pages";
import { Problem } from "./Problem";
import { Shell } from "./Shell";

export function App() {
  const [client] = useState(makeQueryClient);
  const [path] = useLocation();
  if (path === SHARED.path) {
    return (
      <QueryClientProvider client={client}>
        <main className="shared" id="content">
          <Problem>
            <Suspense fallback={<Skeleton lines={3} height={96} />}>
              <title>Shared board · Tallystick</title>
              <SHARED.Content />
            </Suspense>
          </Problem>
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
              <Problem key={path}>
                <Suspense fallback={<Skeleton lines={3} height={96} />}>
                  <title>{`${title} · Tallystick`}</title>
                  <Content />
                </Suspense>
              </Problem>
            </Route>
          ))}
          <Route>
            <Nothing title="There is no such page">
              <p>
                <Link href="/">To the overview</Link>
              </p>
            </Nothing>
          </Route>
        </Switch>
      </Shell>
      <KeyDialog />
    </QueryClientProvider>
  );
}
