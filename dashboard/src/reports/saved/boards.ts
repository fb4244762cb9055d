import { ApiError } from "../../api/client";
import { boards } from "../../api/library";
import type { Board, Tile } from "../../api/types";

/** How often a tile is added again to a board that another reader has just changed. */
const TRIES = 3;

/** Where a new report goes: a board there is, or a new one of this name. */
export type Place = { id: string } | { name: string; site: string | null };

/** Puts a tile at the end of a board, whatever happens to it meanwhile. */
export async function addTile(place: Place, tile: Tile): Promise<Board> {
  if ("name" in place) {
    return boards.create({ name: place.name, description: "", tiles: [tile], site_id: place.site });
  }
  for (let tries = 1; ; tries += 1) {
    const board = await boards.read(place.id);
    try {
      return await boards.change(board.id, {
        name: board.name,
        description: board.description,
        tiles: [...board.tiles, tile],
        updated_at: board.updated_at,
      });
    } catch (error) {
      if (!isChanged(error) || tries >= TRIES) throw error;
    }
  }
}

/** Another reader saved it since it was read. */
export function isChanged(error: unknown): boolean {
  return error instanceof ApiError && error.status === 409 && error.code === "changed";
}

/** Whether a board may show reports of the site (null: of every site). */
export function takes(board: Board, site: string | null): boolean {
  return board.site_id === null || board.site_id === site;
}
