import { randomBytes } from "node:crypto";
import { systemClock } from "#base/clock.ts";
import type { Logger } from "#telemetry/logger.ts";
import { FsError } from "#model/fs-error.ts";
import { superuser } from "../support/policy.ts";
import { callRecord, type Caller, harness, type Harness } from "../unit/nfs/harness.ts";
import { MemoryFileSystem } from "../unit/nfs/memory-file-system.ts";
import { Words } from "../unit/nfs/words.ts";

/** Chance that follows from a seed (mulberry32). */
export class Chance {
  private state: number;
  constructor(seed: number) {
    this.state = seed | 0;
  }
  below(limit: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  }
  of<T>(all: readonly T[]): T {
    return all[this.below(all.length)]!;
  }
}

/** FUZZ_SEED repeats a run. */
export function fuzzSeed(): number {
  const given = process.env.FUZZ_SEED;
  return given === undefined ? randomBytes(4).readUInt32LE() : Number(given);
}

/** A share to fuzz against and well-formed calls of every procedure. */
export async function subject(): Promise<{ fs: MemoryFileSystem; calls: readonly Uint8Array[]; world: Harness; errors: object[] }> {
  const fs = new MemoryFileSystem("/export");
  const errors: object[] = [];
  const logger: Logger = { debug() {}, info() {}, warn() {}, error: (fields) => void errors.push(fields), child: () => logger };
  const world = harness([fs], { logger });
  const who = superuser;
  const made = await fs.create(who, fs.root().id, "file", { mode: "guarded", attributes: {} });
  if (made instanceof FsError) throw new Error("not made");
  const [root, file] = [fs.handleOf(fs.root()), fs.handleOf(made.inode)];
  const sattr = [1, 0o644, 0, 0, 0, 1, 2, 5, 6] as const;
  const nfs: readonly (readonly [number, Words])[] = [
    [0, new Words()],
    [1, new Words(file)],
    [2, new Words(file, ...sattr, 0)],
    [3, new Words(root, "file")],
    [4, new Words(file, 0x3f)],
    [5, new Words(file)],
    [6, new Words(file, 0n, 4096)],
    [7, new Words(file, 0n, 100, 2, "x".repeat(100))],
    [8, new Words(root, "created", 0, ...sattr)],
    [8, new Words(root, "exclusive", 2, 77n)],
    [9, new Words(root, "directory", ...sattr)],
    [10, new Words(root, "link", ...sattr, "target")],
    [11, new Words(root, "device", 4, ...sattr, 1, 2)],
    [12, new Words(root, "created")],
    [13, new Words(root, "directory")],
    [14, new Words(root, "exclusive", root, "renamed")],
    [15, new Words(file, root, "hard")],
    [16, new Words(root, 0n, 0n, 4096)],
    [17, new Words(root, 0n, 0n, 4096, 8192)],
    [18, new Words(root)],
    [19, new Words(root)],
    [20, new Words(root)],
    [21, new Words(file, 0n, 0)],
  ];
  const mount: readonly (readonly [number, Words])[] = [[1, new Words("/export/x")], [2, new Words()], [3, new Words("/export")], [5, new Words()]];
  const calls = [
    ...nfs.map(([procedure, args]) => callRecord(1, 100003, 3, procedure, args)),
    ...mount.map(([procedure, args]) => callRecord(1, 100005, 3, procedure, args)),
  ];
  watchArguments(fs);
  return { fs, calls, world, errors };
}

/** What no decoder may ever hand to the file system. */
function watchArguments(fs: MemoryFileSystem): void {
  const checkName = (name: string): void => {
    if (Buffer.byteLength(name) > 255 || name.includes("/") || name.includes("\0")) throw new Error(`the name ${JSON.stringify(name)} got through`);
    if (Buffer.from(name).toString() !== name) throw new Error("a name that is no UTF-8 got through");
  };
  const checkNumber = (value: number): void => {
    if (!Number.isSafeInteger(value) || value < 0) throw new Error(`the number ${value} got through`);
  };
  const { lookup, create, mkdir, symlink, remove, rename, read, write } = fs;
  fs.lookup = (who, id, name) => (checkName(name), lookup.call(fs, who, id, name));
  fs.create = (who, id, name, how) => (checkName(name), create.call(fs, who, id, name, how));
  fs.mkdir = (who, id, name, request) => (checkName(name), mkdir.call(fs, who, id, name, request));
  fs.symlink = (who, id, name, target, request) => {
    checkName(name);
    if (target.length > 4096) throw new Error("a target of too many bytes got through");
    return symlink.call(fs, who, id, name, target, request);
  };
  fs.remove = (who, id, name) => (checkName(name), remove.call(fs, who, id, name));
  fs.rename = (who, from, a, to, b) => (checkName(a), checkName(b), rename.call(fs, who, from, a, to, b));
  fs.read = (who, id, offset, length) => (checkNumber(offset), checkNumber(offset + length), read.call(fs, who, id, offset, length));
  fs.write = (who, id, offset, payload, length, stable) => {
    checkNumber(offset + length);
    if (payload.reduce((sum, slice) => sum + slice.length, 0) !== length) throw new Error("a payload is not as long as was said");
    // Memory is not what is tested here.
    return offset > 2 ** 20 ? FsError.of("noSpace") : write.call(fs, who, id, offset, payload, length, stable);
  };
}

const interesting = [0, 1, 2, 3, 4, 5, 43, 44, 45, 63, 64, 65, 254, 255, 256, 399, 400, 401, 4096, 4097, 65_536, 2 ** 20, 2 ** 21, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff];

const interestingBytes = [0, 0x2e, 0x2f, 0x7f, 0x80, 0xc0, 0xed, 0xff];

/** A well-formed call with something wrong with it, mostly. */
export function mutate(call: Uint8Array, chance: Chance, xid: number): Uint8Array {
  let bytes = call.slice();
  new DataView(bytes.buffer).setUint32(0, xid);
  for (let rounds = chance.below(4); rounds > 0; rounds--) {
    const at = bytes.length === 0 ? 0 : chance.below(bytes.length);
    const word = Math.min(at & ~3, Math.max(0, bytes.length - 4));
    switch (chance.below(7)) {
      case 0:
        if (bytes.length > 0) bytes[at] = chance.below(2) === 0 ? chance.below(256) : chance.of(interestingBytes);
        break;
      case 1:
        if (bytes.length >= 4) new DataView(bytes.buffer).setUint32(word, chance.of(interesting));
        break;
      case 2:
        bytes = bytes.slice(0, at);
        break;
      case 3:
        bytes = new Uint8Array(Buffer.concat([bytes, randomOf(chance, chance.below(300))]));
        break;
      case 4:
        bytes = new Uint8Array(Buffer.concat([bytes.subarray(0, word), randomOf(chance, 4 * chance.below(20)), bytes.subarray(word)]));
        break;
      case 5: {
        // A longer string where a length stands, with its bytes.
        const length = chance.of([255, 256, 300, 1024, 1025, 4096, 4097, 9000]);
        bytes = new Uint8Array(Buffer.concat([bytes.subarray(0, word), new Words("y".repeat(length)).bytes(), bytes.subarray(word)]));
        break;
      }
      default:
        bytes = new Uint8Array(Buffer.concat([bytes.subarray(0, word), bytes.subarray(Math.min(bytes.length, word + 4))]));
    }
  }
  return bytes;
}

function randomOf(chance: Chance, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => chance.below(256));
}

export interface Finding {
  readonly seed: number;
  readonly round: number;
  readonly what: string;
  readonly record: string;
}

/**
 * Sends mutated calls until `forMs` is over. Each has to be answered exactly once with a well-formed reply, or to cost its sender
 * the connection; none may reach a fault of the server. The first that does otherwise is returned.
 */
export async function fuzzDecoders(seed: number, forMs: number, tamper?: (world: Harness) => void): Promise<Finding | { rounds: number }> {
  const chance = new Chance(seed);
  const { calls, world, errors } = await subject();
  tamper?.(world);
  const until = systemClock.monotonicMs() + forMs;
  let round = 0;
  for (; systemClock.monotonicMs() < until; round++) {
    const record = mutate(chance.of(calls), chance, round);
    const caller = world.connect();
    const what = await judge(caller, record, errors, chance);
    if (what !== null) return { seed, round, what, record: Buffer.from(record).toString("hex") };
  }
  return { rounds: round };
}

async function judge(caller: Caller, record: Uint8Array, errors: object[], chance: Chance): Promise<string | null> {
  // A record may begin amid other bytes, and may have been received in pieces: its head then has at least 8 KiB.
  const headLength = record.length > 8192 ? 8192 + chance.below(record.length - 8192) : record.length;
  const tail = headLength < record.length ? [record.slice(headLength)] : [];
  let reply: Uint8Array | null;
  try {
    reply = await caller.ask(record.slice(0, headLength), tail);
  } catch (error) {
    return `thrown: ${String(error)}`;
  }
  const { replies, done } = caller.transport;
  if (errors.length > 0) return `a fault: ${String((errors[0] as { error?: unknown }).error)}`;
  if (done !== 1) return `done ${done} times`;
  if (reply === null) return replies.length === 0 ? null : "answered and closed";
  if (replies.length !== 1) return `${replies.length} replies`;
  const view = new DataView(reply.buffer, reply.byteOffset);
  if (reply.length % 4 !== 0 || reply.length < 20 || reply.length > 2 ** 21) return `a reply of ${reply.length} bytes`;
  if (view.getUint32(0) !== new DataView(record.buffer).getUint32(0) || view.getUint32(4) !== 1) return "a reply to another call";
  return null;
}
