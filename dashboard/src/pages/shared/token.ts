/** The token of a share link, as it stands behind the # of the page's address: it is sent to no server there. */

const FORM = /^sh_[a-z0-9]{12}_[A-Za-z0-9_-]{43}$/;

const numbers = new Map<string, number>();

/** A number for the token of this page: answers are kept under it, and the token stays out of them. */
export function numberOf(token: string): number {
  const number = numbers.get(token) ?? numbers.size + 1;
  numbers.set(token, number);
  return number;
}

/** null: there is none, or what stands there cannot be one. */
export function tokenFrom(hash: string): string | null {
  const text = hash.startsWith("#") ? hash.slice(1) : hash;
  return FORM.test(text) ? text : null;
}
