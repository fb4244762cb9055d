import { useId, useState } from "react";
import { shareText } from "../funnel/funnel";
import { pathColours, type PathGraph, pathGraph, type PathNode } from "./paths";
import { placed, type PlacedLink, type PlacedNode } from "./sankey";
import type { PathRow } from "../../api/types";
import { useWidth } from "../../charts/useWidth";
import { exact, percent, short } from "../../format/number";
import { shortened } from "./shortened";
import "./PathsView.css";

interface Props {
  rows: readonly PathRow[];
  by: "page" | "event";
  /** The rows are those of paths that lead to this. */
  end?: string | undefined;
  /** Nodes of a column; the rest of it is drawn as one. */
  most?: number;
  /** Show the paths from a page or event on, or to it where they have an end. */
  onChoose?: ((name: string) => void) | undefined;
}

/** Narrower columns than this make the picture scroll. */
const COLUMN = 168;
const TOP = 44;
const STUB = 48;

/** The ways of sessions as flows from step to step. Nodes are reached with Tab and tell their numbers. */
export function PathsView({ rows, by, end, most = 6, onChoose }: Props) {
  const [frame, shownWidth] = useWidth<HTMLDivElement>();
  const [at, setAt] = useState<PlacedNode | PlacedLink | null>(null);
  const backwards = end !== undefined;
  const graph = pathGraph(rows, backwards, most);
  const columns = graph.columns.length;
  const width = Math.max(shownWidth, columns * COLUMN);
  const tallest = Math.max(0, ...graph.columns.map((nodes) => nodes.length));
  const height = TOP + Math.max(240, tallest * 72);
  const picture = columns > 0 && shownWidth > 0 ? placed(graph, backwards, width, height, TOP) : null;
  const colours = pathColours(graph);
  const fade = useId();
  return (
    <div className="paths-frame" onPointerLeave={() => setAt(null)}>
      <div
        className="paths-scroll"
        ref={frame}
        // Nodes that can be chosen take the focus themselves.
        {...(onChoose ? {} : { tabIndex: 0, role: "group", "aria-label": "Ways" })}
      >
        {picture && (
          <div className="paths-picture" style={{ width, height }}>
            <svg width={width} height={height} aria-label="Paths" role="group">
              <defs>
                <linearGradient id={fade} x1={backwards ? 1 : 0} x2={backwards ? 0 : 1}>
                  <stop offset="0" className="path-stub" stopOpacity="0.55" />
                  <stop offset="1" className="path-stub" stopOpacity="0" />
                </linearGradient>
              </defs>
              <Headings {...{ graph, backwards, picture }} />
              <g>
                {picture.links.map((link) => (
                  <path
                    key={`${link.from.id}>${link.to.id}`}
                    d={link.path}
                    strokeWidth={Math.max(1, link.thick)}
                    stroke={colourOf(colours, backwards ? link.to : link.from)}
                    className={linkClass(link, at)}
                    onPointerEnter={() => setAt(link)}
                  />
                ))}
              </g>
              {picture.nodes.map((node) => (
                <Node
                  key={node.node.id}
                  {...{ placed: node, backwards, by, graph, onChoose }}
                  colour={colourOf(colours, node.node)}
                  room={picture.room}
                  fade={fade}
                  onPoint={() => setAt(node)}
                />
              ))}
              {picture.nodes.map((node) => (
                <Label key={node.node.id} placed={node} {...{ by, graph }} room={picture.room} />
              ))}
            </svg>
            {at && <Tip at={at} {...{ graph, backwards, by, width }} choosable={onChoose !== undefined} />}
          </div>
        )}
      </div>
    </div>
  );
}

function colourOf(colours: Map<string, string>, { name }: PathNode): string {
  return name === null ? "var(--line-strong)" : (colours.get(name) ?? "var(--series-rest)");
}

function linkClass(link: PlacedLink, at: PlacedNode | PlacedLink | null): string {
  if (!at) return "path-link";
  const on = "path" in at ? at === link : at.node === link.from || at.node === link.to;
  return on ? "path-link on" : "path-link off";
}

/** What a node is called. */
function nameOf({ name, merged }: PathNode, by: "page" | "event"): string {
  if (name !== null) return name || "(empty)";
  return merged > 0 ? `${exact(merged)} other ${by}s` : `Other ${by}s`;
}

function stepTitle(column: number, backwards: boolean): string {
  if (backwards) return column === 0 ? "End" : `${column} before`;
  return `Step ${column + 1}`;
}

function sum(nodes: readonly PathNode[], of: (node: PathNode) => number): number {
  return nodes.reduce((all, node) => all + of(node), 0);
}

function Headings({
  graph,
  backwards,
  picture,
}: {
  graph: PathGraph;
  backwards: boolean;
  picture: ReturnType<typeof placed>;
}) {
  return (
    <g aria-hidden>
      {graph.columns.map((nodes, column) => (
        <g key={column} transform={`translate(${picture.left(column)} 0)`}>
          <text y={14} className="path-heading">
            {stepTitle(column, backwards)}
          </text>
          <text y={31} className="path-count">
            {short(sum(nodes, (node) => node.sessions))} sessions
          </text>
        </g>
      ))}
    </g>
  );
}

function Node({
  placed: { node, x, y, width, height, stub },
  colour,
  backwards,
  by,
  graph,
  room,
  fade,
  onChoose,
  onPoint,
}: {
  placed: PlacedNode;
  colour: string;
  backwards: boolean;
  by: "page" | "event";
  graph: PathGraph;
  /** Pixels to point at. */
  room: number;
  /** The id of the gradient for those who leave. */
  fade: string;
  onChoose: Props["onChoose"];
  onPoint: () => void;
}) {
  const name = nameOf(node, by);
  const { name: real } = node;
  const choose = onChoose && real !== null ? () => onChoose(real) : undefined;
  const went = backwards ? "began here" : "ended here";
  const label =
    `${stepTitle(node.column, backwards)}: ${name}, ${exact(node.sessions)} sessions, ` +
    `${percent(node.sessions, graph.total)}; ${exact(node.ended)} ${went}` +
    (choose ? `. Show the paths ${backwards ? "to" : "from"} it` : "");
  const middle = y + height / 2;
  return (
    <g
      className={choose ? "path-node choosable" : "path-node"}
      role={choose ? "button" : "img"}
      aria-label={label}
      tabIndex={choose ? 0 : undefined}
      data-node={real ?? undefined}
      data-column={node.column}
      data-sessions={node.sessions}
      data-ended={node.ended}
      onClick={choose}
      onFocus={onPoint}
      onPointerEnter={onPoint}
      onKeyDown={(event) => {
        if (!choose || (event.key !== "Enter" && event.key !== " ")) return;
        event.preventDefault();
        choose();
      }}
    >
      {stub > 0 && (
        <rect
          x={backwards ? x - STUB : x + width}
          y={y + height - stub}
          width={STUB}
          height={Math.max(1, stub)}
          fill={`url(#${fade})`}
        />
      )}
      <rect x={x} y={y} width={width} height={Math.max(2, height)} rx={2} fill={colour} />
      {stub > 0 && (
        <rect
          x={x}
          y={y + height - stub}
          width={width}
          height={Math.max(1, stub)}
          rx={2}
          className="path-ended"
        />
      )}
      {/* A place to point at, larger than the node. */}
      <rect
        x={x}
        y={middle - Math.max(height / 2, 14)}
        width={Math.min(room, 160)}
        height={Math.max(height, 28)}
        fill="none"
      />
    </g>
  );
}

/** What is written beside a node; its button says the same in other words. */
function Label({
  placed: { node, x, y, width, height },
  by,
  graph,
  room,
}: {
  placed: PlacedNode;
  by: "page" | "event";
  graph: PathGraph;
  /** Pixels for the text. */
  room: number;
}) {
  const name = nameOf(node, by);
  const shown = shortened(name, room - 8);
  const middle = y + height / 2;
  return (
    <g aria-hidden className="path-label">
      <text x={x + width + 8} y={middle - 2} className="path-name">
        <title>{name}</title>
        {shown}
      </text>
      <text x={x + width + 8} y={middle + 13} className="path-count">
        {short(node.sessions)}
        {node.column > 0 || graph.columns[0]?.length !== 1 ? ` · ${percent(node.sessions, graph.total)}` : ""}
      </text>
    </g>
  );
}

function Tip({
  at,
  graph,
  backwards,
  by,
  width,
  choosable,
}: {
  at: PlacedNode | PlacedLink;
  graph: PathGraph;
  backwards: boolean;
  by: "page" | "event";
  width: number;
  choosable: boolean;
}) {
  const link = "path" in at ? at : null;
  const x = link ? link.x : (at as PlacedNode).x + 144;
  const y = link ? link.y : (at as PlacedNode).y;
  const right = x > width * 0.7;
  return (
    <div
      className={right ? "chart-tip left" : "chart-tip"}
      style={{ left: right && !link ? x - 144 : x, top: Math.max(0, y + (link ? -20 : 8)) }}
      role="status"
    >
      {link ? (
        <LinkNumbers link={link} by={by} backwards={backwards} />
      ) : (
        <NodeNumbers node={(at as PlacedNode).node} {...{ graph, backwards, by, choosable }} />
      )}
    </div>
  );
}

function NodeNumbers({
  node,
  graph,
  backwards,
  by,
  choosable,
}: {
  node: PathNode;
  graph: PathGraph;
  backwards: boolean;
  by: "page" | "event";
  choosable: boolean;
}) {
  const on = graph.links
    .filter((link) => link.from === node.id)
    .reduce((all, link) => all + link.sessions, 0);
  const numbers: [string, number][] = [["Sessions", node.sessions]];
  if (on > 0 || node.ended > 0) {
    numbers.push([backwards ? "Came from another" : "Went on", on]);
    numbers.push([backwards ? "Began here" : "Ended here", node.ended]);
  }
  return (
    <>
      <p className="chart-tip-title path-tip-name">{nameOf(node, by)}</p>
      {numbers.map(([text, sessions], index) => (
        <p key={text} className="chart-tip-row">
          <span className="chart-tip-label">{text}</span>
          <span className="number">{exact(sessions)}</span>
          <span className="path-tip-part number">
            {shareText(sessions / (index === 0 ? graph.total : node.sessions))}
          </span>
        </p>
      ))}
      {node.name === null ? (
        <p className="chart-tip-note">The smaller ones, and paths too rare to be listed.</p>
      ) : (
        choosable && <p className="chart-tip-note">Click: the paths {backwards ? "to" : "from"} here</p>
      )}
    </>
  );
}

function LinkNumbers({
  link,
  by,
  backwards,
}: {
  link: PlacedLink;
  by: "page" | "event";
  backwards: boolean;
}) {
  const [source, target] = backwards ? [link.to, link.from] : [link.from, link.to];
  return (
    <>
      <p className="chart-tip-title path-tip-name">
        {nameOf(source, by)} → {nameOf(target, by)}
      </p>
      <p className="chart-tip-row">
        <span className="chart-tip-label">Sessions</span>
        <span className="number">{exact(link.sessions)}</span>
      </p>
      <p className="chart-tip-note">
        {shareText(link.sessions / link.from.sessions)} of {nameOf(link.from, by)}
      </p>
    </>
  );
}
