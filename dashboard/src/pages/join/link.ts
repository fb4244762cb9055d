import type { LinkShown } from "../../api/types";

/** One-time links: the token stands behind the # of the page's address, where it is sent to no server and in no log. */

const FORM = /^[A-Za-z0-9_-]{20,256}$/;

/** null: there is none, or what stands there cannot be one. */
export function tokenOf(hash: string): string | null {
  const text = hash.startsWith("#") ? hash.slice(1) : hash;
  return FORM.test(text) ? text : null;
}

/** What the page is called, and what it says of the link. */
export function wordsOf({ kind, email, admin, roles }: LinkShown): {
  title: string;
  says: string;
  action: string;
} {
  switch (kind) {
    case "first_admin":
      return {
        title: "Make the first account",
        says: "It administers this server: every site, every key, every other account.",
        action: "Make the account",
      };
    case "password_reset":
      return {
        title: "Set a new password",
        says: `For ${email ?? "your account"}. Every session of the account ends.`,
        action: "Set the password",
      };
    case "invitation": {
      const rights = admin
        ? "as an administrator"
        : roles.map(({ site_id, role }) => `as ${role} of ${site_id}`).join(", ");
      return {
        title: "You are invited",
        says: `${email ?? "You"} can log in here ${rights === "" ? "with an account" : rights}, once there is a password.`,
        action: "Set the password",
      };
    }
  }
}
