import { sankey, sankeyLinkHorizontal } from "d3-sankey";
import type { PathGraph, PathNode } from "./paths";

/** Where the nodes and flows of a path graph stand. */

export interface PlacedNode {
  node: PathNode;
  x: number;
  y: number;
  width: number;
  height: number;
  /** The height of those who end there. */
  stub: number;
}

export interface PlacedLink {
  from: PathNode;
  to: PathNode;
  sessions: number;
  path: string;
  thick: number;
  /** Its middle. */
  x: number;
  y: number;
}

const WIDTH = 12;
/** Between two nodes, so that each has room for two lines of text. */
const GAP = 32;

export interface Picture {
  nodes: PlacedNode[];
  links: PlacedLink[];
  /** Where a column begins. */
  left: (column: number) => number;
  /** From one column to the next. */
  room: number;
}

type Node = { node: PathNode; fixedValue: number };
type Link = { source: string; target: string; value: number };

/** The columns from left to right, with those of an end at the right; `top` pixels stay free. */
export function placed(
  graph: PathGraph,
  backwards: boolean,
  width: number,
  height: number,
  top: number,
): Picture {
  const last = graph.columns.length - 1;
  const place = (column: number) => (backwards ? last - column : column);
  const room = width / graph.columns.length;
  const layout = sankey<Node, Link>()
    .nodeId((one) => one.node.id)
    .nodeAlign((one) => place(one.node.column))
    .nodeWidth(WIDTH)
    .nodePadding(GAP)
    .nodeSort((a, b) => rank(a.node) - rank(b.node) || b.node.sessions - a.node.sessions)
    .extent([
      [0, top],
      [room * last + WIDTH, height - 8],
    ]);
  const { nodes, links } = layout({
    nodes: graph.columns.flat().map((node) => ({ node, fixedValue: node.sessions })),
    links: graph.links.map(({ from, to, sessions }) =>
      backwards
        ? { source: to, target: from, value: sessions }
        : { source: from, target: to, value: sessions },
    ),
  });
  const path = sankeyLinkHorizontal<Node, Link>();
  return {
    room,
    left: (column) => place(column) * room,
    // d3-sankey does not know where a single column stands.
    nodes: nodes.map(({ node, y0 = 0, y1 = 0 }) => {
      const of = node.sessions > 0 ? node.ended / node.sessions : 0;
      return {
        node,
        x: place(node.column) * room,
        y: y0,
        width: WIDTH,
        height: y1 - y0,
        stub: of * (y1 - y0),
      };
    }),
    links: links.map((link) => {
      const [source, target] = [link.source, link.target] as unknown as [Laid, Laid];
      const [from, to] = backwards ? [target, source] : [source, target];
      return {
        from: from.node,
        to: to.node,
        sessions: link.value,
        path: path(link) ?? "",
        thick: link.width ?? 0,
        x: (source.x1 + target.x0) / 2,
        y: ((link.y0 ?? 0) + (link.y1 ?? 0)) / 2,
      };
    }),
  };
}

type Laid = { node: PathNode; x1: number; x0: number };

function rank({ name }: PathNode): number {
  return name === null ? 1 : 0;
}
