/** Server-sent events, read from a stream: EventSource can send no Authorization header. */

export interface Message {
  event: string;
  data: string;
}

/** Takes pieces of the stream as they come, cut anywhere, and gives the messages that are complete. */
export function reader(): (piece: string) => Message[] {
  let rest = "";
  let message: Message = { event: "message", data: "" };
  return (piece) => {
    const lines = (rest + piece).split("\n");
    rest = lines.pop() ?? "";
    const complete: Message[] = [];
    for (const line of lines.map((one) => (one.endsWith("\r") ? one.slice(0, -1) : one))) {
      if (line === "") {
        if (message.data !== "") complete.push(message);
        message = { event: "message", data: "" };
        continue;
      }
      const [name, value] = fieldOf(line);
      if (name === "event") message.event = value;
      if (name === "data") message.data += message.data === "" ? value : `\n${value}`;
    }
    return complete;
  };
}

/** A line that begins with a colon is a comment, whose name is empty. */
function fieldOf(line: string): [string, string] {
  const colon = line.indexOf(":");
  if (colon < 0) return [line, ""];
  const value = line.slice(colon + 1);
  return [line.slice(0, colon), value.startsWith(" ") ? value.slice(1) : value];
}

/** Milliseconds to wait before the n-th try in a row, from 0: longer each time, never the same for everybody. */
export function backoff(tries: number, random = Math.random()): number {
  const most = Math.min(30_000, 1_000 * 2 ** Math.min(tries, 10));
  return most / 2 + (most / 2) * random;
}
