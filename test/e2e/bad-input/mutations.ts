import { callHeader } from "../../support/rpc-client.ts";
import type { SeededRandom } from "../../support/seeded-random.ts";
import { XdrWriter } from "../../support/xdr.ts";

/** Calls of every procedure, and ways to spoil them. */

const nfs = 100003;
const mount = 100005;
const credentials = { uid: 1000, gid: 1000, groups: [1, 2, 3] };

function attributes(to: XdrWriter): XdrWriter {
  return to.bool(true).uint32(0o644).bool(false).bool(false).bool(true).uint64(77).uint32(1).uint32(2).uint32(5).uint32(6);
}

/** Valid arguments of NFS procedures 0 to 21. */
function nfsArguments(directory: Uint8Array, file: Uint8Array, random: SeededRandom): XdrWriter[] {
  const w = (): XdrWriter => new XdrWriter();
  const name = `f${random.below(30)}`;
  const other = `f${random.below(30)}`;
  return [
    w(),
    w().opaque(file),
    attributes(w().opaque(file)).bool(false),
    w().opaque(directory).string(name),
    w().opaque(file).uint32(0x3f),
    w().opaque(file),
    w().opaque(file).uint64(random.below(9000)).uint32(random.below(70_000)),
    w().opaque(file).uint64(random.below(9000)).uint32(100).uint32(random.below(3)).opaque(Buffer.alloc(100, 0x77)),
    attributes(w().opaque(directory).string(name).uint32(random.below(2))),
    attributes(w().opaque(directory).string(`d${random.below(5)}`)),
    attributes(w().opaque(directory).string(name)).string("../elsewhere"),
    attributes(w().opaque(directory).string(name).uint32(7)),
    w().opaque(directory).string(name),
    w().opaque(directory).string(`d${random.below(5)}`),
    w().opaque(directory).string(name).opaque(directory).string(other),
    w().opaque(file).opaque(directory).string(name),
    w().opaque(directory).uint64(0).fixed(new Uint8Array(8)).uint32(4096),
    w().opaque(directory).uint64(0).fixed(new Uint8Array(8)).uint32(1024).uint32(8192),
    w().opaque(file),
    w().opaque(file),
    w().opaque(file),
    w().opaque(file).uint64(0).uint32(0),
  ];
}

/** The record (without its mark) of a valid call, of a random procedure. */
export function validCall(random: SeededRandom, directory: Uint8Array, file: Uint8Array): Buffer {
  const xid = random.uint32();
  if (random.chance(0.12)) {
    const procedure = random.below(6);
    const path = new XdrWriter().string("/export").bytes();
    return Buffer.concat([callHeader(xid, mount, 3, procedure, credentials).bytes(), procedure === 1 || procedure === 3 ? path : Buffer.alloc(0)]);
  }
  const all = nfsArguments(directory, file, random);
  const procedure = random.below(all.length);
  return Buffer.concat([callHeader(xid, nfs, 3, procedure, credentials).bytes(), (all[procedure] as XdrWriter).bytes()]);
}

const extremes = [0, 1, 0xff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff_fffc, 0x10_0000, 0x100_0001, 257, 65];

/** Spoils what lies from `from` on: bits, words, length, order. */
export function mutate(random: SeededRandom, original: Buffer, from = 0): Buffer {
  let bytes: Buffer = Buffer.from(original);
  for (let times = random.between(1, 4); times > 0; times--) {
    const at = from + random.below(Math.max(1, bytes.length + 1 - from));
    switch (random.below(7)) {
      case 0:
        if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
        break;
      case 1: {
        const word = at & ~3;
        if (word + 4 <= bytes.length) bytes.writeUInt32BE(random.pick(extremes), word);
        break;
      }
      case 2:
        bytes = bytes.subarray(0, at);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), random.bytes(random.below(40)), bytes.subarray(at)]);
        break;
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + random.below(12)))]);
        break;
      case 5:
        bytes = Buffer.concat([bytes, random.bytes(random.below(2000))]);
        break;
      default:
        if (from === 0 && random.chance(0.3)) bytes = random.bytes(random.below(300));
    }
  }
  return bytes;
}

/** Where a call of these tests has its arguments. */
export const argumentsAt = callHeader(0, nfs, 3, 0, credentials).bytes().length;

/** A record mark in front of a record, or records cut into fragments. */
export function framed(random: SeededRandom, bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  do {
    const rest = bytes.length - at;
    const length = random.chance(0.8) ? rest : random.below(rest + 1);
    const mark = Buffer.alloc(4);
    const last = length === rest;
    mark.writeUInt32BE(((last ? 0x8000_0000 : 0) | length) >>> 0);
    parts.push(mark, bytes.subarray(at, at + length));
    at += length;
    if (last) break;
  } while (parts.length < 64 || at < bytes.length);
  return Buffer.concat(parts);
}
