import { endEvent, eventMediaType } from "#api/contract/route.ts";
import type { Exchange } from "./exchange.ts";
import type { Followed } from "./handler.ts";
import { limits } from "./limits.ts";
import { Refusal } from "./refusal.ts";
import { problemOf, reply } from "./replies.ts";

const encoder = new TextEncoder();

interface Stream {
  readonly user: string;
  /** Says why, and ends it. */
  end(why: unknown): void;
}

/** The event streams there are: how many there may be, and when each ends. */
export class EventStreams {
  private readonly open = new Set<Stream>();
  private closing = false;

  /**
   * Answers with a stream of what `followed` gives, until the client has enough, the server stops, or `mayGoOn`, which is asked before
   * each event, throws why not: its caller logged out, say. A client that doesn't take what it is sent misses events and holds up nobody.
   */
  reply(exchange: Exchange, followed: Followed<unknown>, user: string, mayGoOn: () => Promise<void>): Response {
    if (this.closing) throw new Refusal("unavailable", "The server is stopping.");
    const own = [...this.open].filter((stream) => stream.user === user).length;
    if (own >= limits.eventStreamsPerUserMax) throw new Refusal("busy", `${user} has ${own} event streams open.`, { hint: "End one of them." });
    if (this.open.size >= limits.eventStreamsMax) throw new Refusal("busy", `The server has ${limits.eventStreamsMax} event streams open.`, { hint: "Try again when somebody has ended one." });
    return reply(exchange, 200, this.body(followed, user, mayGoOn), { "content-type": eventMediaType, "x-accel-buffering": "no" });
  }

  /** Ends all, and takes no more. */
  close(): void {
    this.closing = true;
    for (const stream of [...this.open]) stream.end(new Refusal("unavailable", "The server is stopping."));
  }

  private body(followed: Followed<unknown>, user: string, mayGoOn: () => Promise<void>): ReadableStream<Uint8Array> {
    let following: { end(): void } | null = null;
    let stream: Stream | null = null;
    const forget = (): void => {
      following?.end();
      following = null;
      if (stream !== null) this.open.delete(stream);
    };
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        stream = {
          user,
          end(why) {
            if (following === null) return;
            forget();
            const { code, message } = problemOf(why);
            controller.enqueue(event({ code, detail: message }, endEvent));
            controller.close();
          },
        };
        const current = stream;
        this.open.add(stream);
        const tell = (value: unknown): void => {
          // The one before is still here: this one is left out.
          if (following !== null && (controller.desiredSize ?? 0) > 0) controller.enqueue(event(value, null));
        };
        following = followed.follow((value) => void mayGoOn().then(() => tell(value), (error: unknown) => current.end(error)));
      },
      cancel: forget,
    });
  }
}

function event(value: unknown, type: string | null): Uint8Array {
  return encoder.encode(`${type === null ? "" : `event: ${type}\n`}data: ${JSON.stringify(value)}\n\n`);
}
