/** What a change needs beside the session's cookie, so that no other page can make it. It is in memory alone. */

let token: string | null = null;

export const csrfToken = () => token;

export function keepCsrfToken(next: string | null): void {
  token = next;
}
