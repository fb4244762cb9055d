import type { PathRow } from "../../api/types";
import { seriesColour } from "../../charts/palette";

/** The edges of a paths answer as columns of nodes, with every session accounted for. Nothing here sends a query or draws. */

export interface PathNode {
  id: string;
  /** 0 where paths begin, or with an end where they lead to. */
  column: number;
  /** A page or an event; null: the others of this column, and ways that the answer does not tell. */
  name: string | null;
  sessions: number;
  /** Of those how many end here, or began here when paths are followed backwards. */
  ended: number;
  /** How many pages or events stand behind the node. */
  merged: number;
}

export interface PathLink {
  from: string;
  to: string;
  sessions: number;
}

export interface PathGraph {
  columns: PathNode[][];
  links: PathLink[];
  /** Sessions in the first column. */
  total: number;
}

interface Edge {
  step: number;
  from: string;
  to: string | null;
  sessions: number;
}

const idOf = (column: number, name: string | null) => (name === null ? `${column}` : `${column} ${name}`);

/**
 * @param backwards the query has an `end`: step 1 is the last one before it.
 * @param most nodes of a column; the smaller ones become one.
 */
export function pathGraph(rows: readonly PathRow[], backwards: boolean, most: number): PathGraph {
  const edges: Edge[] = [];
  /** By step: sessions on ways that are not told one by one. */
  const untold = new Map<number, number>();
  for (const row of rows) {
    const [from, to] = backwards ? [row.target, row.source] : [row.source, row.target];
    if (row.other === true || from === null) untold.set(row.step, row.sessions);
    else edges.push({ step: row.step, from, to, sessions: row.sessions });
  }
  const graph = new Graph(kept(edges, most));
  for (const { step, from, to, sessions } of edges) graph.add(step - 1, from, to, sessions);
  const last = Math.max(0, ...rows.map((row) => row.step));
  for (let step = 1; step <= last; step += 1) graph.settle(step - 1, untold.get(step) ?? 0);
  return graph.done();
}

/** For each column the names of its largest nodes. */
function kept(edges: readonly Edge[], most: number): Set<string>[] {
  const sizes: Map<string, { into: number; out: number }>[] = [];
  const size = (column: number, name: string) => {
    const names = (sizes[column] ??= new Map<string, { into: number; out: number }>());
    let found = names.get(name);
    if (!found) names.set(name, (found = { into: 0, out: 0 }));
    return found;
  };
  for (const { step, from, to, sessions } of edges) {
    size(step - 1, from).out += sessions;
    if (to !== null) size(step, to).into += sessions;
  }
  return sizes.map((names) => {
    const largest = [...names].sort(
      ([a, one], [b, other]) =>
        Math.max(other.into, other.out) - Math.max(one.into, one.out) || (a < b ? -1 : 1),
    );
    // One that would be alone among the others is as good by itself.
    return new Set(largest.slice(0, largest.length === most + 1 ? most + 1 : most).map(([name]) => name));
  });
}

/** Those of the series but the one that is for visits that end. */
const COLOURS = [0, 1, 2, 3, 5, 6].map(seriesColour);

/** A colour for each of the largest pages, the same in every column. */
export function pathColours({ columns }: PathGraph): Map<string, string> {
  const sizes = new Map<string, number>();
  for (const { name, sessions } of columns.flat())
    if (name !== null) sizes.set(name, (sizes.get(name) ?? 0) + sessions);
  const largest = [...sizes].sort(([, one], [, other]) => other - one);
  return new Map(
    COLOURS.flatMap((colour, index) => {
      const page = largest[index];
      return page ? [[page[0], colour]] : [];
    }),
  );
}

class Graph {
  private readonly nodes = new Map<string, PathNode & { into: number; out: number; names: Set<string> }>();
  private readonly links = new Map<string, PathLink>();

  constructor(private readonly kept: Set<string>[]) {}

  add(column: number, from: string, to: string | null, sessions: number): void {
    const source = this.node(column, from);
    if (to === null) {
      source.out += sessions;
      source.ended += sessions;
    } else this.link(source.id, this.node(column + 1, to).id, sessions);
  }

  /**
   * Give the untold ways from a column to the next to the nodes that lack them: who came to a node and is not told to
   * have left it went on by one of them, and who left a node without being told to have come to it came by one.
   */
  settle(column: number, untold: number): void {
    let left = untold;
    const take = (from: string, to: string, wanted: number) => {
      const sessions = Math.min(left, wanted);
      if (sessions <= 0) return;
      left -= sessions;
      this.link(from, to, sessions);
    };
    const others = (at: number) => this.node(at, null).id;
    const here = this.column(column).filter(({ name }) => name !== null);
    for (const node of here) {
      // Where all paths begin with the same, all the untold ones do.
      const wanted = column > 0 ? node.into - node.out : here.length === 1 ? untold : 0;
      if (left > 0 && wanted > 0) take(node.id, others(column + 1), wanted);
    }
    for (const node of this.column(column + 1)) {
      if (left > 0 && node.name !== null && node.out > node.into)
        take(others(column), node.id, node.out - node.into);
    }
    if (left > 0) take(others(column), others(column + 1), left);
  }

  done(): PathGraph {
    const columns: PathNode[][] = [];
    for (const { id, column, name, into, out, ended, names } of this.nodes.values()) {
      const sessions = Math.max(into, out);
      (columns[column] ??= []).push({ id, column, name, sessions, ended, merged: names.size });
    }
    for (const nodes of columns)
      nodes.sort((a, b) => Number(a.name === null) - Number(b.name === null) || b.sessions - a.sessions);
    const total = (columns[0] ?? []).reduce((sum, node) => sum + node.sessions, 0);
    return { columns, links: [...this.links.values()], total };
  }

  private column(column: number) {
    return [...this.nodes.values()].filter((node) => node.column === column);
  }

  private node(column: number, wanted: string | null) {
    const name = wanted !== null && this.kept[column]?.has(wanted) ? wanted : null;
    const id = idOf(column, name);
    let found = this.nodes.get(id);
    if (!found) {
      found = { id, column, name, sessions: 0, ended: 0, merged: 0, into: 0, out: 0, names: new Set() };
      this.nodes.set(id, found);
    }
    if (wanted !== null) found.names.add(wanted);
    return found;
  }

  private link(from: string, to: string, sessions: number): void {
    const source = this.nodes.get(from);
    const target = this.nodes.get(to);
    if (!source || !target) return;
    source.out += sessions;
    target.into += sessions;
    const id = JSON.stringify([from, to]);
    const found = this.links.get(id);
    if (found) found.sessions += sessions;
    else this.links.set(id, { from, to, sessions });
  }
}
