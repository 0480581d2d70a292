import { systemClock } from "#base/clock.ts";
import { FsError } from "#model/fs-error.ts";
import { systemRandom } from "#base/random.ts";
import { dispatch } from "#smb/dispatch.ts";
import { SmbConnection } from "#smb/connection.ts";
import type { SmbServer } from "#smb/server.ts";
import { Sealer } from "#smb/crypto/sealing.ts";
import type { Logger } from "#telemetry/logger.ts";
import { closeBody, createBody, emptyBody, negotiateBody, queryInfoBody, sessionSetupBody } from "../support/smb-client.ts";
import { ntlmNegotiate } from "../support/smb-ntlm.ts";
import { smbServer, type TestSmb } from "../support/smb-server.ts";
import { compound, packet } from "../support/smb-wire.ts";
import { within } from "../support/wait.ts";
import { Chance } from "./fuzz.ts";

/** A socket that is none: keeps what is sent, and says when a request is done. */
export class FakeTransport {
  closed = false;
  readonly address = "127.0.0.1";
  readonly localAddress = "127.0.0.1";
  unfinished = 0;
  readonly sent: Buffer[] = [];
  context: SmbConnection | null = null;
  private readonly out = { bytes: new Uint8Array(4096), length: 0 };
  private idle: (() => void) | null = null;

  beginMessage(): { bytes: Uint8Array; length: number } {
    this.out.length = 0;
    return this.out;
  }
  endMessage(): void {
    this.sent.push(Buffer.from(this.out.bytes.subarray(0, this.out.length)));
  }
  endMessageWithPayload(slices: readonly Uint8Array[], _length: number, _padding: number, lender: { release(): void }): void {
    this.sent.push(Buffer.concat([this.out.bytes.subarray(0, this.out.length), ...slices]));
    lender.release();
  }
  setExpendable(): void {}
  charge(bytes: number): void {
    this.unfinished += bytes;
  }
  requestDone(bytes: number): void {
    this.unfinished -= bytes;
    if (this.unfinished <= 0) this.idle?.();
  }
  refuse(): void {
    this.close();
  }
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.context?.gone();
  }
  /** Resolves when every request is answered or waits for another client. */
  async settled(): Promise<void> {
    if (this.unfinished <= 0) return;
    await within("an answer", 10_000, new Promise<void>((resolve) => (this.idle = resolve)));
    this.idle = null;
  }
}

/** A log-in, a tree and two open files, made by a client that does everything right. */
interface Subject {
  readonly connection: SmbConnection;
  readonly transport: FakeTransport;
  readonly sessionId: bigint;
  readonly treeId: number;
  readonly file: Buffer;
  readonly directory: Buffer;
  messageId: number;
  /** Every id its requests had; a request that waited is answered long after its message, and with it those that followed it. */
  readonly ids: Set<bigint>;
}

export interface World {
  readonly server: TestSmb;
  readonly errors: object[];
  readonly faults: string[];
}

export async function smbWorld(): Promise<World> {
  const errors: object[] = [];
  const faults: string[] = [];
  const logger: Logger = { debug() {}, info() {}, warn() {}, error: (fields) => void errors.push(fields), child: () => logger };
  const server = await smbServer({ logger, clock: systemClock, random: systemRandom });
  watchNames(server, faults);
  boundFiles(server);
  return { server, errors, faults };
}

/** What no decoder may ever hand to the file system. */
function watchNames({ world: { share } }: TestSmb, faults: string[]): void {
  const methods = share as unknown as Record<string, (...args: unknown[]) => unknown>;
  for (const method of ["lookup", "create", "mkdir", "symlink", "remove", "rmdir", "rename", "link"]) {
    const real = methods[method]!;
    methods[method] = function (this: unknown, ...args: unknown[]): unknown {
      for (const arg of args) {
        if (typeof arg !== "string") continue;
        if (Buffer.byteLength(arg) > 255 || arg.includes("/") || arg.includes("\0") || Buffer.from(arg).toString() !== arg) faults.push(`${method} got the name ${JSON.stringify(arg)}`);
      }
      return real.apply(this, args);
    };
  }
}

/** Memory is not what is tested here. */
const fileBytesMax = 2 ** 20;

function boundFiles({ world: { share } }: TestSmb): void {
  const { write, setattr } = share;
  share.write = (...args) => (args[2] + args[4] > fileBytesMax ? FsError.of("noSpace") : write.apply(share, args));
  share.setattr = async (...args) => ((args[2].size ?? 0) > fileBytesMax ? FsError.of("noSpace") : setattr.apply(share, args));
}

/** A connection at work, made without a socket. */
export async function subject(world: World, dialect: number): Promise<Subject> {
  const { server } = world;
  const transport = new FakeTransport();
  const state: SmbServer = server.state;
  const connection = new SmbConnection(state, transport as never);
  transport.context = connection;
  const client = await server.client({ dialects: [dialect] });
  client.signs = true;
  await client.treeConnect("export");
  const file = await client.create("file");
  const directory = await client.create("directory", { options: 1 });
  const session = state.sessions.find(Number(client.sessionId), 0)!;
  // The session moves to the connection without a socket, with all it has.
  const [channel] = session.channels;
  const real = channel!.connection;
  real.channels.delete(session.id);
  const moved = Object.assign(Object.create(Object.getPrototypeOf(channel!)), channel, { connection });
  session.channels[0] = moved;
  session.signingRequired = false;
  connection.channels.set(session.id, moved);
  Object.assign(connection, { dialect: real.dialect, capabilities: real.capabilities, transferBytesMax: real.transferBytesMax, signing: real.signing, cipher: real.cipher, clientGuid: real.clientGuid });
  connection.credits.take(0, 1);
  connection.credits.grant(8000);
  client.close();
  return { connection, transport, sessionId: client.sessionId, treeId: client.treeId, file, directory, messageId: 1, ids: new Set() };
}

type Request = readonly [command: number, body: Buffer];

/** A well-formed request of every command. */
export function requests({ file, directory }: Subject, chance: Chance): readonly Request[] {
  const fixed = (size: number, set: (b: Buffer) => void, tail: Uint8Array = new Uint8Array(0)): Buffer => {
    const b = Buffer.alloc(size);
    set(b);
    return Buffer.concat([b, tail]);
  };
  const io = (of: Buffer, length: number, payload?: Buffer): Buffer =>
    fixed(48, (b) => (b.writeUInt16LE(49, 0), b.writeUInt16LE(112, 2), b.writeUInt32LE(length, 4), b.set(of, 16)), payload ?? Buffer.alloc(1));
  const name = chance.of(["file", "new", "directory\\new", "directory", "file:stream", "a\\b\\c", "", "x".repeat(300), "\ud800", "*", "..\\..", "new:s:$DATA"]);
  const ioctl = (code: number, input: Buffer, of = file): Buffer =>
    fixed(56, (b) => (b.writeUInt16LE(57, 0), b.writeUInt32LE(code, 4), b.set(of, 8), b.writeUInt32LE(120, 24), b.writeUInt32LE(input.length, 28), b.writeUInt32LE(4096, 44), b.writeUInt32LE(1, 48)), input);
  const setInfo = (type: number, level: number, input: Buffer): Buffer =>
    fixed(32, (b) => (b.writeUInt16LE(33, 0), (b[2] = type), (b[3] = level), b.writeUInt32LE(input.length, 4), b.writeUInt16LE(96, 8), b.set(file, 16)), input);
  const query = (type: number, level: number): Buffer => {
    const b = queryInfoBody(chance.below(2) === 0 ? file : directory);
    b[2] = type;
    b[3] = level;
    return b;
  };
  const pattern = Buffer.from(chance.of(["*", "f*", "?", "<.>", "file"]), "utf16le");
  const rename = fixed(20, (b) => b.writeUInt32LE(10, 16), Buffer.from("renamed\0\0\0".slice(0, 10), "utf16le"));
  return [
    [1, sessionSetupBody(ntlmNegotiate(), { flags: chance.below(2) })],
    [3, fixed(8, (b) => (b.writeUInt16LE(9, 0), b.writeUInt16LE(72, 4), b.writeUInt16LE(24, 6)), Buffer.from("\\\\s\\export!!", "utf16le"))],
    [5, createBody(name, { disposition: chance.below(6), options: chance.of([0, 1, 0x40, 0x1000]), access: chance.of([0x12019f, 0x1f01ff, 0x80, 0x2000000, 0x10000]) })],
    [6, closeBody(file)],
    [7, fixed(24, (b) => (b.writeUInt16LE(24, 0), b.set(file, 8)))],
    [8, io(file, chance.of([0, 1, 4096, 65_536]))],
    [9, io(file, 100, Buffer.alloc(100, 5))],
    [10, fixed(48, (b) => (b.writeUInt16LE(48, 0), b.writeUInt16LE(1, 2), b.set(file, 8), b.writeUInt32LE(10, 32), b.writeUInt32LE(chance.of([1, 2, 4, 0x11, 0x12]), 40)))],
    [11, ioctl(chance.of([0x00140078, 0x001440f2, 0x000980c8, 0x000940cf, 0x000900a8, 0x00140204, 0x001401fc, 0x00098344, 0x000900c4, 0x0009003c]), Buffer.alloc(chance.of([0, 8, 16, 24, 32, 56])))],
    [12, emptyBody],
    [13, emptyBody],
    [14, fixed(32, (b) => (b.writeUInt16LE(33, 0), (b[2] = chance.of([1, 2, 3, 12, 37, 38])), b.set(directory, 8), b.writeUInt16LE(96, 24), b.writeUInt16LE(pattern.length, 26), b.writeUInt32LE(4096, 28)), pattern)],
    [15, fixed(32, (b) => (b.writeUInt16LE(32, 0), b.writeUInt32LE(4096, 4), b.set(directory, 8), b.writeUInt32LE(0xfff, 24)))],
    [16, query(1, chance.of([4, 5, 6, 7, 8, 9, 14, 15, 16, 17, 18, 21, 22, 34, 35]))],
    [16, query(2, chance.of([1, 3, 4, 5, 6, 7, 8, 11]))],
    [16, query(3, 0)],
    [17, setInfo(1, chance.of([4, 13, 14, 15, 19, 20]), Buffer.alloc(chance.of([1, 8, 40])))],
    [17, setInfo(1, chance.of([10, 11]), rename)],
    [17, setInfo(3, 0, Buffer.alloc(20))],
    [18, fixed(24, (b) => (b.writeUInt16LE(24, 0), b.set(file, 8)))],
    [18, fixed(36, (b) => b.writeUInt16LE(36, 0))],
    [0, negotiateBody()],
    [2, emptyBody],
    [4, emptyBody],
  ];
}

const interesting = [0, 1, 2, 4, 7, 8, 9, 16, 24, 33, 48, 57, 63, 64, 65, 96, 112, 120, 255, 256, 4096, 65_535, 65_536, 2 ** 20, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff];

/** The message with something wrong with it, mostly; what is in front of `from` stays. */
function mutate(message: Buffer, chance: Chance, from: number): Buffer {
  let b = Buffer.from(message);
  for (let rounds = chance.below(4); rounds > 0; rounds--) {
    if (b.length <= from) return b;
    const at = from + chance.below(b.length - from);
    const word = Math.max(from, Math.min(at & ~1, b.length - 4));
    switch (chance.below(6)) {
      case 0:
        b[at] = chance.below(256);
        break;
      case 1:
        if (b.length >= from + 4) b.writeUInt32LE(chance.of(interesting), word);
        break;
      case 2:
        if (b.length >= from + 4) b.writeUInt16LE(chance.of(interesting) & 0xffff, word);
        break;
      case 3:
        b = b.subarray(0, at);
        break;
      case 4:
        b = Buffer.concat([b, Buffer.from(Array.from({ length: chance.below(200) }, () => chance.below(256)))]);
        break;
      default:
        b = Buffer.concat([b.subarray(0, at), b.subarray(Math.min(b.length, at + 1 + chance.below(16)))]);
    }
  }
  return b;
}

const related = 4;

/** A message of one request or several, some of it wrong. */
function message(subject: Subject, chance: Chance): Buffer {
  const count = chance.below(4) === 0 ? 1 + chance.below(4) : 1;
  const parts: Buffer[] = [];
  for (let i = 0; i < count; i++) {
    const [command, body] = chance.of(requests(subject, chance));
    // What ends everything comes seldom, so that something is left to be tried on.
    const once = command === 0 || command === 2 || command === 4 ? chance.below(20) === 0 : true;
    const charge = chance.of([1, 1, 1, 2, 16]);
    const head = { command: once ? command : 13, messageId: subject.messageId, charge, credits: charge + 1, sessionId: subject.sessionId, treeId: subject.treeId, flags: i > 0 && chance.below(2) === 0 ? related : 0 };
    if (command !== 12) subject.messageId += charge;
    const whole = packet(head, once ? body : emptyBody);
    parts.push(mutate(whole, chance, chance.below(10) === 0 ? 0 : chance.below(3) === 0 ? 64 : whole.length));
  }
  const all = parts.length === 1 ? parts[0]! : compound(...parts);
  return mutate(all, chance, chance.below(15) === 0 ? 0 : 64);
}

export interface Found {
  readonly what: string;
  readonly round: number;
  readonly message: string;
}

export interface FuzzOptions {
  readonly seed: number;
  readonly rounds: number;
  readonly deadlineMs: number;
  /** Plants a fault in each connection. */
  readonly plant?: (connection: SmbConnection) => void;
}

/** Sends wrong messages to connections without sockets; gives the first thing found, or how many messages were sent. */
export async function fuzzSmb({ seed, rounds, deadlineMs, plant }: FuzzOptions): Promise<Found | { readonly rounds: number }> {
  const chance = new Chance(seed);
  const world = await smbWorld();
  const end = systemClock.monotonicMs() + deadlineMs;
  let round = 0;
  try {
    while (round < rounds && systemClock.monotonicMs() < end) {
      const one = await subject(world, chance.of([0x210, 0x302, 0x311]));
      plant?.(one.connection);
      const sealer = one.connection.cipher !== 0 && chance.below(3) === 0 ? sealerOf(world, one) : null;
      for (let i = 0; i < 60 && !one.transport.closed; i++, round++) {
        const plain = message(one, chance);
        const found = await exchange(world, one, plain, sealer);
        if (found !== null) return { what: found, round, message: plain.toString("hex").slice(0, 2000) };
      }
      one.transport.close();
      const left = await leftovers(world);
      if (left !== null) return { what: left, round, message: "" };
    }
    return { rounds: round };
  } finally {
    await world.server.stop();
  }
}

/** Seals what the client sends: the server's own sealer, the other way round. */
function sealerOf(world: World, { sessionId }: Subject): Sealer {
  const own = world.server.state.sessions.find(Number(sessionId), 0)!.sealer as unknown as { inKey: unknown; outKey: unknown };
  return Object.assign(Object.create(Sealer.prototype), own, { inKey: own.outKey, outKey: own.inKey, sent: 0 });
}

async function exchange(world: World, { connection, transport, ids }: Subject, plain: Buffer, sealer: Sealer | null): Promise<string | null> {
  const bytes = sealer === null ? new Uint8Array(plain) : sealer.seal(plain, connection.channels.keys().next().value ?? 0);
  addIds(plain, ids);
  transport.sent.length = 0;
  transport.unfinished += bytes.length;
  try {
    if (!dispatch(connection, bytes, 0, bytes.length, [], 0)) {
      connection.close("malformed");
      transport.unfinished = 0;
    }
  } catch (error) {
    return `threw ${error instanceof Error ? error.stack : String(error)}`;
  }
  if (transport.closed) transport.unfinished = 0;
  else await transport.settled();
  if (transport.unfinished < 0) return "a request was done twice";
  if (world.errors.length > 0) return `an error was logged: ${Bun.inspect(world.errors[0])}`;
  if (world.faults.length > 0) return world.faults[0]!;
  for (const answer of transport.sent) {
    const opened = answer.readUInt32LE(0) === 0x424d53fd ? Buffer.from(sealer!.open(answer) ?? []) : answer;
    const wrong = malformed(opened, ids);
    if (wrong !== null) return `${wrong}: ${opened.toString("hex").slice(0, 400)}`;
  }
  return null;
}

/** The ids of the requests a message may hold. */
function addIds(plain: Buffer, ids: Set<bigint>): void {
  for (let at = 0; at + 64 <= plain.length; ) {
    ids.add(plain.readBigUInt64LE(at + 24));
    const next = plain.readUInt32LE(at + 20);
    if (next === 0) break;
    at += next;
  }
}

function malformed(answer: Buffer, ids: Set<bigint>): string | null {
  for (let at = 0, n = 0; ; n++) {
    if (answer.length - at < 64 + 2 || n > 64) return "an answer is cut";
    if (answer.readUInt32LE(at) !== 0x424d53fe || answer.readUInt16LE(at + 4) !== 64) return "an answer has no header";
    if ((answer.readUInt32LE(at + 16) & 1) === 0) return "an answer doesn't say that it is one";
    const id = answer.readBigUInt64LE(at + 24);
    if (!ids.has(id) && id !== 0xffffffffffffffffn) return "an answer has an id nobody used";
    const next = answer.readUInt32LE(at + 20);
    if (next === 0) return null;
    if (next % 8 !== 0 || at + next > answer.length) return "answers don't follow each other";
    at += next;
  }
}

async function leftovers({ server }: World): Promise<string | null> {
  const { state, world } = server;
  for (let turn = 0; ; turn++) {
    const left = `sessions ${state.sessions.size}, open files ${state.opens.size}, waiting requests ${state.pending.count}, their bytes ${state.pending.bytes}, files open in the share ${world.share.opens.size}`;
    if (!/[1-9]/.test(left)) return null;
    if (turn === 200) return `a connection that is gone left something: ${left}`;
    await new Promise<void>((resolve) => systemClock.atTurnEnd(resolve));
  }
}
