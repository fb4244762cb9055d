import { QueryClientProvider } from "@tanstack/react-query";
import { Suspense, useState } from "react";
import { Link, Route, Switch } from "wouter";
import { makeQueryClient } from "../api/hooks";
import { Nothing, Skeleton } from "../ui/basics";
import { KeyDialog } from "./KeyDialog";
import { PAGES } from "./pages";
import { Problem } from "./Problem";
import { Shell } from "./Shell";

export function App() {
  const [client] = useState(makeQueryClient);
  return (
    <QueryClientProvider client={client}>
      <Shell>
        <Switch>
          {PAGES.map(({ path, title, Content }) => (
            <Route key={path} path={path}>
              <Problem key={path}>
                <Suspense fallback={<Skeleton lines={3} height={96} />}>
                  <title>{`${title} · Runnel`}</title>
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
