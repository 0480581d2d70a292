import { endEvent } from "#api/contract/route.ts";

/** A longer event than any reply is: whatever sends it is no server of ours. */
const eventLengthMax = 16 * 2 ** 20;

/** An event of a stream (HTML Living Standard §9.2.6). */
export interface StreamEvent {
  readonly type: string;
  readonly data: string;
}

/** The server ended a stream, and said why. */
export class StreamEnded extends Error {
  override readonly name = "StreamEnded";
  /** As in a problem document. */
  readonly code: string;

  constructor(code: string, detail: string) {
    super(detail);
    this.code = code;
  }
}

/** Takes a stream apart as it comes. Comments, ids and the time to wait before coming again are left out. */
export async function* eventsOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<StreamEvent> {
  const decoder = new TextDecoder();
  let text = "";
  let type = "";
  let data: string[] = [];
  let dataLength = 0;
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true });
    // A carriage return at the very end may be half of a line's end.
    const whole = text.endsWith("\r") ? text.slice(0, -1) : text;
    const lines = whole.split(/\r\n|\r|\n/);
    text = (lines.pop() ?? "") + text.slice(whole.length);
    if (text.length > eventLengthMax) throw tooLong();
    for (const line of lines) {
      if (line === "") {
        if (data.length > 0) yield { type: type === "" ? "message" : type, data: data.join("\n") };
        type = "";
        data = [];
        dataLength = 0;
        continue;
      }
      const colon = line.indexOf(":");
      const [field, value] = colon === -1 ? [line, ""] : [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
      if (field === "event") type = value;
      else if (field === "data") {
        data.push(value);
        dataLength += value.length + 1;
        if (dataLength > eventLengthMax) throw tooLong();
      }
    }
  }
}

function tooLong(): Error {
  return new Error(`an event longer than ${eventLengthMax} characters`);
}

/** The replies of a stream; throws StreamEnded where the server ends it. */
export async function* repliesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<unknown> {
  for await (const { type, data } of eventsOf(body)) {
    const value: unknown = JSON.parse(data);
    if (type === "message") yield value;
    if (type !== endEvent) continue;
    const { code, detail } = value as { readonly code?: unknown; readonly detail?: unknown };
    throw new StreamEnded(String(code), String(detail));
  }
}
