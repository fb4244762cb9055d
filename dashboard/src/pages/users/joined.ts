import type { JoinedId } from "../../api/types";

/** The ids that leave a person together with this one: those that were joined to it, and those joined to them. */
export function joinedTo(id: JoinedId, ids: readonly JoinedId[]): JoinedId[] {
  return ids
    .filter((one) => one.site_id === id.site_id && one.linked_to === id.user_id)
    .flatMap((one) => [one, ...joinedTo(one, ids)]);
}
