import { type Clock, systemClock } from "#base/clock.ts";
import { silentLogger, type Logger } from "#telemetry/logger.ts";
import { OutBuffer } from "#net/index.ts";
import { Client, type Transport } from "#nfs/client.ts";
import { DuplicateCache } from "#nfs/drc.ts";
import { mount3, MountList } from "#nfs/mount/index.ts";
import { Dispatcher } from "#nfs/rpc.ts";
import { nfs3 } from "#nfs/v3/index.ts";
import type { MemoryFileSystem } from "./memory-file-system.ts";
import { MemoryShares } from "./memory-shares.ts";
import { Words } from "./words.ts";

/** A transport that keeps whole replies in memory. */
export class MemoryTransport implements Transport {
  readonly id = 1;
  readonly address: string;
  readonly localAddress = "127.0.0.1";
  takenMs = 0;
  readonly replies: Uint8Array[] = [];
  done = 0;
  doneBytes = 0;
  charged = 0;
  private readonly out = new OutBuffer(4);
  private whenDone: (() => void) | null = null;

  constructor(address = "127.0.0.1") {
    this.address = address;
  }
  beginMessage(): OutBuffer {
    this.out.length = 0;
    return this.out;
  }
  endMessage(): void {
    this.replies.push(this.out.bytes.slice(0, this.out.length));
  }
  endMessageWithPayload(slices: readonly Uint8Array[], length: number, padding: number, lender: { release(): void }): void {
    const reply = Buffer.concat([this.out.bytes.subarray(0, this.out.length), ...slices, new Uint8Array(padding)]);
    if (reply.length !== this.out.length + length + padding) throw new Error("the slices are not as long as was said");
    this.replies.push(new Uint8Array(reply));
    lender.release();
  }
  charge(bytes: number): void {
    this.charged += bytes;
  }
  requestDone(bytes: number): void {
    this.done++;
    this.doneBytes += bytes;
    this.whenDone?.();
  }
  async untilDone(count: number): Promise<void> {
    while (this.done < count) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.whenDone = resolve;
      await promise;
    }
  }
}

export interface Harness {
  readonly dispatcher: Dispatcher;
  readonly duplicates: DuplicateCache;
  readonly mounts: MountList;
  readonly shares: MemoryShares;
  connect(address?: string): Caller;
}

export interface HarnessOptions {
  readonly readMax?: number;
  readonly writeMax?: number;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** The protocol without sockets: records in, replies out. */
export function harness(fileSystems: readonly MemoryFileSystem[], options: HarnessOptions = {}): Harness {
  const shares = new MemoryShares(...fileSystems);
  const logger = options.logger ?? silentLogger;
  const duplicates = new DuplicateCache(options.clock ?? systemClock);
  const mounts = new MountList(1024, options.clock ?? systemClock);
  const settings = { shares, sizes: { readMax: options.readMax ?? 2 ** 20, writeMax: options.writeMax ?? 2 ** 20 } };
  const dispatcher = new Dispatcher(
    [
      { number: 100003, name: "nfs", versions: [nfs3(settings)] },
      { number: 100005, name: "mountd", versions: [mount3({ shares, logger, clock: options.clock ?? systemClock, mounts })] },
    ],
    duplicates,
    logger,
  );
  return { dispatcher, duplicates, mounts, shares, connect: (address) => new Caller(dispatcher, address, logger) };
}

/** One client. */
export class Caller {
  readonly transport: MemoryTransport;
  private readonly client: Client;
  private readonly dispatcher: Dispatcher;
  private calls = 0;

  constructor(dispatcher: Dispatcher, address = "127.0.0.1", logger: Logger = silentLogger) {
    this.dispatcher = dispatcher;
    this.transport = new MemoryTransport(address);
    this.client = new Client(this.transport, undefined, logger);
  }

  /** Sends a record and does not wait; false where the server would close the connection. */
  send(record: Uint8Array, tail: readonly Uint8Array[] = []): boolean {
    this.calls++;
    const tailBytes = tail.reduce((sum, slice) => sum + slice.length, 0);
    return this.dispatcher.dispatch(this.client, record, 0, record.length, tail, tailBytes);
  }

  /** The reply to a record; null where the server would close the connection. */
  async ask(record: Uint8Array, tail: readonly Uint8Array[] = []): Promise<Uint8Array | null> {
    if (!this.send(record, tail)) return null;
    await this.transport.untilDone(this.calls);
    return this.transport.replies.at(-1) ?? null;
  }

  /** The result of a call of NFS as root: what follows the header of an accepted, successful reply. */
  async nfs(procedure: number, args: Words, credential: Words = rootCredential): Promise<Uint8Array> {
    return this.result(100003, procedure, args, credential);
  }

  async mount(procedure: number, args: Words = new Words(), credential: Words = rootCredential): Promise<Uint8Array> {
    return this.result(100005, procedure, args, credential);
  }

  private async result(program: number, procedure: number, args: Words, credential: Words): Promise<Uint8Array> {
    const xid = (this.calls + 1) * 7919;
    const reply = await this.ask(callRecord(xid, program, 3, procedure, args, credential));
    if (reply === null) throw new Error("the server closed the connection");
    const accepted = new Words(xid, 1, 0, 0, 0, 0).bytes();
    if (Buffer.compare(reply.subarray(0, 24), accepted) !== 0) {
      throw new Error(`no accepted reply: ${Buffer.from(reply).toString("hex")}`);
    }
    return reply.subarray(24);
  }
}

/** Flavor, body and empty verifier of an AUTH_SYS credential. */
export function authSys(uid: number, gid: number, ...gids: number[]): Words {
  const body = new Words(0, "client", uid, gid, gids.length, ...gids).bytes();
  return new Words(1, body, 0, 0);
}

export const rootCredential = authSys(0, 0);
export const noCredential = new Words(0, 0, 0, 0);

/** A whole call (RFC 5531 §9). */
export function callRecord(
  xid: number,
  program: number,
  version: number,
  procedure: number,
  args: Words = new Words(),
  credential: Words = rootCredential,
): Uint8Array {
  return new Words(xid, 0, 2, program, version, procedure).then(credential).then(args).bytes();
}
