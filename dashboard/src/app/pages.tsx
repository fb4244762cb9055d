import {
  Activity,
  ChartLine,
  Filter,
  LayoutDashboard,
  LayoutGrid,
  List,
  type LucideIcon,
  Plug,
  Radio,
  Repeat,
  Route,
  Settings,
  SquareTerminal,
  Users,
} from "lucide-react";
import Overview from "../pages/overview/Overview";
import { type ComponentType, lazy, type LazyExoticComponent } from "react";

/** The dashboard's pages, in the order of the menu. The first is loaded at once, the others when they are opened. */

export interface Page {
  path: string;
  title: string;
  icon: LucideIcon;
  group: "Analyse" | "Look" | "Operate";
  Content: ComponentType | LazyExoticComponent<ComponentType>;
}

export const PAGES: readonly Page[] = [
  {
    path: "/",
    title: "Overview",
    icon: LayoutDashboard,
    group: "Analyse",
    Content: Overview,
  },
  {
    path: "/ui/explore",
    title: "Explore",
    icon: ChartLine,
    group: "Analyse",
    Content: lazy(() => import("../pages/explore/Explore")),
  },
  {
    path: "/ui/funnels",
    title: "Funnels",
    icon: Filter,
    group: "Analyse",
    Content: lazy(() => import("../pages/funnels/Funnels")),
  },
  {
    path: "/ui/retention",
    title: "Retention",
    icon: Repeat,
    group: "Analyse",
    Content: lazy(() => import("../pages/retention/Retention")),
  },
  {
    path: "/ui/paths",
    title: "Paths",
    icon: Route,
    group: "Analyse",
    Content: lazy(() => import("../pages/paths/Paths")),
  },
  {
    path: "/ui/sql",
    title: "SQL",
    icon: SquareTerminal,
    group: "Analyse",
    Content: lazy(() => import("../pages/sql/Sql")),
  },
  {
    path: "/ui/boards",
    title: "Boards",
    icon: LayoutGrid,
    group: "Analyse",
    Content: lazy(() => import("../pages/boards/Boards")),
  },
  {
    path: "/ui/events",
    title: "Events",
    icon: List,
    group: "Look",
    Content: lazy(() => import("../pages/events/Events")),
  },
  {
    path: "/ui/users",
    title: "Users",
    icon: Users,
    group: "Look",
    Content: lazy(() => import("../pages/users/Users")),
  },
  {
    path: "/ui/live",
    title: "Live",
    icon: Radio,
    group: "Look",
    Content: lazy(() => import("../pages/live/Live")),
  },
  {
    path: "/ui/install",
    title: "Install",
    icon: Plug,
    group: "Operate",
    Content: lazy(() => import("../pages/install/Install")),
  },
  {
    path: "/ui/pipeline",
    title: "Pipeline",
    icon: Activity,
    group: "Operate",
    Content: lazy(() => import("../pages/pipeline/Pipeline")),
  },
  {
    path: "/ui/settings",
    title: "Settings",
    icon: Settings,
    group: "Operate",
    Content: lazy(() => import("../pages/settings/Settings")),
  },
];

/** The page of a share link: without the menu, and without the dialog for a key. */
export const SHARED = { path: "/ui/shared", Content: lazy(() => import("../pages/shared/Shared")) };

/** The page of a one-time link, which stands before every login. */
export const JOIN = { path: "/ui/join", Content: lazy(() => import("../pages/join/Join")) };
