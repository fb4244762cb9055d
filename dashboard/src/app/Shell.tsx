import { BookOpen, KeyRound, LogOut, Menu, Monitor, Moon, Sun, X } from "lucide-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { Link, useLocation } from "wouter";
import { forgetKey, useKey } from "../api/key";
import { logOut, useSession } from "../api/session";
import { Logo } from "../components/display/Logo";
import { PAGES } from "./pages";
import { setTheme, type Theme, useTheme } from "./theme";
import { Segmented } from "../components/controls/Segmented";
import { useSearch } from "../scope/address";
import { pageHref } from "../scope/scope";
import "./Shell.css";

const GROUPS = ["Analyse", "Look", "Operate"] as const;

/** The menu beside every page; on a phone above it. */
export function Shell({ children }: { children: ReactNode }) {
  const [path] = useLocation();
  // Open for one page: choosing another closes it.
  const [openOn, setOpenOn] = useState<string | null>(null);
  const open = openOn === path;
  return (
    <div className="shell">
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <header className="topbar">
        <Brand />
        <button
          type="button"
          className="icon-button"
          aria-expanded={open}
          aria-controls="menu"
          aria-label={open ? "Close the menu" : "Open the menu"}
          onClick={() => setOpenOn(open ? null : path)}
        >
          {open ? <X size={20} aria-hidden /> : <Menu size={20} aria-hidden />}
        </button>
      </header>
      <div className={open ? "sidebar open" : "sidebar"} id="menu">
        <Brand />
        <Navigation path={path} />
        <SidebarFoot />
      </div>
      <main id="content" tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}

function Brand() {
  return (
    <Link href="/" className="brand" aria-label="Tallystick, to the overview">
      <Logo size={26} />
      <span>Tallystick</span>
    </Link>
  );
}

function Navigation({ path }: { path: string }) {
  const search = useSearch();
  return (
    <nav aria-label="Pages">
      {GROUPS.map((group) => (
        <div className="nav-group" key={group}>
          <p className="nav-title">{group}</p>
          {PAGES.filter((page) => page.group === group).map(({ path: to, title, icon: Icon }) => (
            <Link
              key={to}
              href={pageHref(to, search)}
              className="nav-link"
              aria-current={path === to ? "page" : undefined}
            >
              <Icon size={17} aria-hidden />
              {title}
            </Link>
          ))}
        </div>
      ))}
    </nav>
  );
}

function SidebarFoot() {
  const theme = useTheme();
  const { key } = useKey();
  return (
    <div className="sidebar-foot">
      <LogOutButton />
      {key !== null && (
        <button type="button" className="nav-link" onClick={forgetKey}>
          <KeyRound size={17} aria-hidden /> Forget the key
        </button>
      )}
      <a className="nav-link" href="/docs">
        <BookOpen size={17} aria-hidden /> HTTP API
      </a>
      <Segmented<Theme>
        label="Colours"
        value={theme}
        onChange={setTheme}
        options={[
          { value: "system", label: "Like the system", icon: <Monitor size={15} aria-hidden /> },
          { value: "light", label: "Light", icon: <Sun size={15} aria-hidden /> },
          { value: "dark", label: "Dark", icon: <Moon size={15} aria-hidden /> },
        ]}
      />
    </div>
  );
}

/** Ends the session; what fails is said in place of the account's name. */
function LogOutButton() {
  const client = useQueryClient();
  const { data: session } = useSession();
  const leaving = useMutation({ mutationFn: () => logOut(client) });
  if (!session?.user) return null;
  return (
    <>
      <p className="nav-account" role={leaving.error ? "alert" : undefined} title={session.user.email}>
        {leaving.error ? leaving.error.message : session.user.email}
      </p>
      <button
        type="button"
        className="nav-link"
        disabled={leaving.isPending}
        onClick={() => leaving.mutate()}
      >
        <LogOut size={17} aria-hidden /> Log out
      </button>
    </>
  );
}
