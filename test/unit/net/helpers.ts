import { systemClock } from "#base/clock.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { Connection, recordMarking, streamLimitDefaults, StreamServer, type StreamServerOptions } from "#net/index.ts";
import { ManualClock } from "../../support/manual-clock.ts";

/** A record of one fragment, or of several cut at `cuts`. */
export function record(payload: Uint8Array, ...cuts: number[]): Uint8Array {
  const edges = [...cuts, payload.length];
  const parts: Uint8Array[] = [];
  let from = 0;
  for (const [i, to] of edges.entries()) {
    const header = new Uint8Array(4);
    new DataView(header.buffer).setUint32(0, (to - from) | (i === edges.length - 1 ? 0x80000000 : 0));
    parts.push(header, payload.subarray(from, to));
    from = to;
  }
  return new Uint8Array(Buffer.concat(parts));
}

/** A TCP client that keeps what it receives, and reads only while told to. */
export class RawClient {
  private readonly socket: import("bun").Socket<undefined>;
  private readonly received: Buffer[] = [];
  private receivedBytes = 0;
  private unsent: Uint8Array[] = [];
  private waiting: (() => void)[] = [];
  closed = false;

  private constructor(socket: import("bun").Socket<undefined>) {
    this.socket = socket;
  }

  static async connect(port: number, hostname = "127.0.0.1"): Promise<RawClient> {
    let client: RawClient | null = null;
    const socket = await Bun.connect({
      hostname,
      port,
      socket: {
        data: (_socket, chunk) => client?.take(chunk),
        drain: () => client?.push(),
        close: () => client?.end(),
        error: () => client?.end(),
      },
    });
    client = new RawClient(socket);
    return client;
  }

  private take(chunk: Buffer): void {
    this.received.push(chunk);
    this.receivedBytes += chunk.length;
    this.wake();
  }
  private end(): void {
    this.closed = true;
    this.wake();
  }
  private wake(): void {
    const waiting = this.waiting;
    this.waiting = [];
    for (const each of waiting) each();
  }
  private push(): void {
    while (this.unsent.length > 0) {
      const next = this.unsent[0]!;
      const sent = this.socket.write(next, 0, next.length);
      if (sent < 0) return;
      if (sent < next.length) {
        this.unsent[0] = next.subarray(sent);
        return;
      }
      this.unsent.shift();
    }
  }

  send(bytes: Uint8Array): void {
    this.unsent.push(bytes);
    if (this.unsent.length === 1) this.push();
  }
  stopReading(): void {
    this.socket.pause();
  }
  startReading(): void {
    this.socket.resume();
  }
  close(): void {
    this.socket.terminate();
  }
  private async changed(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.waiting.push(resolve);
    await promise;
  }
  async untilClosed(): Promise<void> {
    while (!this.closed) await this.changed();
  }
  /** The next record received; null where the connection ends first. */
  async record(): Promise<Uint8Array | null> {
    const header = await this.bytes(4);
    if (header === null) return null;
    const mark = new DataView(header.buffer, header.byteOffset).getUint32(0);
    if (mark >>> 31 !== 1) throw new Error("a reply in several fragments");
    return this.bytes(mark & 0x7fffffff);
  }
  async bytes(count: number): Promise<Uint8Array | null> {
    while (this.receivedBytes < count) {
      if (this.closed) return null;
      await this.changed();
    }
    const all = Buffer.concat(this.received);
    this.received.length = 0;
    this.received.push(all.subarray(count));
    this.receivedBytes = all.length - count;
    return new Uint8Array(all.subarray(0, count));
  }
}

/** What the kernel takes at most to hand on what was sent, on a machine with much else to do. */
const handedOnMsMax = 20_000;

/** Runs event-loop turns until `condition` holds; gives up loudly after a long time. */
export async function until(condition: () => boolean): Promise<void> {
  for (const end = systemClock.monotonicMs() + handedOnMsMax; !condition(); ) {
    if (systemClock.monotonicMs() > end) throw new Error("what was waited for did not happen");
    await new Promise<void>((resolve) => systemClock.atTurnEnd(resolve));
  }
}

export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise<void>((resolve) => systemClock.atTurnEnd(resolve));
}

export type Message = { readonly from: Connection<null>; readonly bytes: Uint8Array; readonly length: number };

/** A server that keeps its messages for the test to answer. */
export function collector(options: Partial<Omit<StreamServerOptions<null>, "limits">> & { limits?: object } = {}) {
  const messages: Message[] = [];
  const clock = new ManualClock(0);
  let onMessage: ((message: Message) => void) | null = null;
  const server = new StreamServer<null>({
    bind: "127.0.0.1",
    port: 0,
    framing: recordMarking,
    clock,
    logger: silentLogger,
    handler: {
      message(from, bytes, start, end, tail) {
        const message = { from, bytes: new Uint8Array(Buffer.concat([bytes.subarray(start, end), ...tail])), length: end - start };
        for (const slice of tail) (message as { length: number }).length += slice.length;
        messages.push(message);
        onMessage?.(message);
      },
    },
    ...options,
    limits: { ...streamLimitDefaults, messageBytesMax: 2 ** 20 + 2 ** 16, ...options.limits },
  });
  return { server, clock, messages, port: server.start(), answerAll: (answer: (message: Message) => void) => (onMessage = answer) };
}

export function reply(message: Message, bytes: Uint8Array = message.bytes): void {
  const out = message.from.beginMessage();
  if (out.bytes.length < out.length + bytes.length) {
    const grown = new Uint8Array((out.length + bytes.length) * 2);
    grown.set(out.bytes.subarray(0, out.length));
    out.bytes = grown;
  }
  out.bytes.set(bytes, out.length);
  out.length += bytes.length;
  message.from.endMessage();
  message.from.requestDone(message.length);
}
