import { afterAll, beforeAll, expect, test } from "bun:test";
import { systemClock } from "#base/clock.ts";
import { Command } from "#wire/smb2/header.ts";
import { startTarget, type Target, targetPassword, targetShare, targetUser } from "../../conformance/target.ts";
import { type Handle, NfsClient } from "../../support/nfs-client.ts";
import { RawConnection } from "../../support/raw-connection.ts";
import { callHeader, record } from "../../support/rpc-client.ts";
import { type SeededRandom, SeededRandom as Random, seedFor } from "../../support/seeded-random.ts";
import { SmbClient } from "../../support/smb-client.ts";
import { writeBody } from "../../support/smb-requests.ts";
import { XdrWriter } from "../../support/xdr.ts";

/** Many clients of both protocols write large and small at once, some in pieces, some gone in the middle: every byte is its own writer's. */

const slotBytes = 2 ** 20;
const slots = 6;
const rounds = Number(Bun.env.MIXED_ROUNDS ?? 12);
const nfsProgram = 100003;

let target: Target;
let reader: NfsClient;
let root: Handle;

beforeAll(async () => {
  target = await startTarget();
  reader = await NfsClient.connect({ port: target.server.port, credentials: { uid: 1000, gid: 1000 } });
  root = await reader.mount(`/${targetShare}`);
});
afterAll(async () => {
  reader?.close();
  await target?.stop();
});

/** A write of one slot, of words that say whose it is. */
interface Write {
  readonly slot: number;
  readonly offset: number;
  readonly data: Uint8Array;
}

/** One connection at a time that writes to one file. */
interface Writer {
  /** The message of a write, framed. */
  message(write: Write): Uint8Array;
  send(bytes: Uint8Array): void;
  /** Resolves when the next `count` writes are answered, in order. */
  answered(count: number): Promise<void>;
  close(): void;
}

function words(length: number, word: number): Uint8Array {
  const all = new Uint8Array(Math.ceil(length / 4) * 4);
  new Uint32Array(all.buffer).fill(word);
  return all.subarray(0, length);
}

async function smbWriter(name: string, how: "signed" | "sealed"): Promise<Writer> {
  const client = await SmbClient.open(target.port);
  await client.negotiate({ dialects: [0x311], capabilities: 0x7f, ciphers: [2] });
  expect((await client.login(targetUser, targetPassword)).status).toBe(0);
  client.signs = true;
  await client.treeConnect(targetShare);
  if (how === "sealed") client.seal();
  const id = await client.create(name);
  const { raw } = client as unknown as { raw: RawConnection };
  return {
    message({ slot, offset, data }) {
      const body = writeBody(id, slot * slotBytes + offset, data);
      const request = client.request(Command.WRITE, body, { treeId: client.treeId, charge: Math.ceil(data.length / 65_536), credits: 256 });
      const sent = client.sealer === null ? client.signed(request) : client.sealer.seal(request, Number(client.sessionId));
      const frame = Buffer.alloc(4);
      frame.writeUInt32BE(sent.length);
      return Buffer.concat([frame, sent]);
    },
    send: (bytes) => raw.send(bytes),
    async answered(count) {
      for (let i = 0; i < count; i++) expect((await client.next()).status).toBe(0);
    },
    close: () => client.close(),
  };
}

async function nfsWriter(handle: Handle): Promise<Writer> {
  const raw = await RawConnection.open(target.server.port);
  let xid = 1 + Math.floor(systemClock.monotonicMs() * 1000) % 1_000_000_000;
  let seen = 0;
  return {
    message({ slot, offset, data }) {
      const head = callHeader(xid++, nfsProgram, 3, 7, { uid: 1000, gid: 1000 }).bytes();
      const args = new XdrWriter().opaque(handle).uint64(slot * slotBytes + offset).uint32(data.length).uint32(0).uint32(data.length).bytes();
      return record(head, args, data, Buffer.alloc(-data.length & 3));
    },
    send: (bytes) => raw.send(bytes),
    async answered(count) {
      for (let i = 0; i < count; i++) {
        const length = (): number => (raw.bytes().length >= seen + 4 ? raw.bytes().readUInt32BE(seen) & 0x7fffffff : Number.POSITIVE_INFINITY);
        await raw.wait("an answer", 30_000, () => raw.bytes().length >= seen + 4 + length());
        // xid, REPLY, accepted, verifier, SUCCESS, and the status of WRITE.
        expect(raw.bytes().readUInt32BE(seen + 4 + 24)).toBe(0);
        seen += 4 + length();
      }
    },
    close: () => raw.close(),
  };
}

const turn = (): Promise<void> => new Promise((resolve) => systemClock.atTurnEnd(resolve));

/** Sends in pieces, the loop turning between them. */
async function dribble(writer: Writer, bytes: Uint8Array, random: SeededRandom): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + random.below(random.below(3) === 0 ? 400_000 : 20_000);
    writer.send(bytes.subarray(at, at + length));
    at += length;
    await turn();
  }
}

/** Files of its own, each written by one connection until that is lost: what was on its way then may come late. */
async function play(who: number, random: SeededRandom, connect: (name: string, handle: Handle) => Promise<Writer>): Promise<void> {
  let files = 0;
  const fresh = async (): Promise<{ handle: Handle; writer: Writer; model: Uint8Array }> => {
    const name = `mixed-${who}-${++files}`;
    const made = await reader.create(root, name, { mode: 0o666, size: slots * slotBytes });
    const handle = made.handle ?? (await reader.lookup(root, name)).handle;
    return { handle, writer: await connect(name, handle), model: new Uint8Array(slots * slotBytes) };
  };
  let { handle, writer, model } = await fresh();
  let word = 0;
  for (let round = 0; round < rounds; round++) {
    const writes: Write[] = [];
    for (let slot = 0; slot < slots; slot++) {
      const length = random.below(4) === 0 ? 1 + random.below(20_000) : 1 + random.below(slotBytes);
      const offset = random.below(3) === 0 ? 0 : random.below(slotBytes - length + 1);
      writes.push({ slot, offset, data: words(length, (who << 24) | ++word) });
    }
    const lost = random.below(3) === 0;
    const whole = lost ? random.below(slots) : slots;
    for (const write of writes.slice(0, whole)) {
      const message = writer.message(write);
      if (random.below(3) === 0) await dribble(writer, message, random);
      else writer.send(message);
    }
    // Nobody knows whether what was not answered was done, but for what never came whole.
    const answered = lost ? random.below(whole + 1) : whole;
    await writer.answered(answered);
    if (lost) {
      const message = writer.message(writes[whole]!);
      writer.send(message.subarray(0, random.below(message.length)));
      for (let i = random.below(20); i > 0; i--) await turn();
      writer.close();
    }
    for (const [i, { slot, offset, data }] of writes.entries()) {
      const found = await slotOf(handle, slot);
      const before = model.slice(slot * slotBytes, (slot + 1) * slotBytes);
      const after = before.slice();
      after.set(data, offset);
      const isAfter = Buffer.compare(found, after) === 0;
      const mayBeBefore = i >= answered;
      const mayBeAfter = i < whole;
      if (!(isAfter && mayBeAfter) && !(mayBeBefore && Buffer.compare(found, before) === 0)) throw new Error(`client ${who}, round ${round}, slot ${slot}: bytes that are not its own`);
      if (isAfter) model.set(after, slot * slotBytes);
    }
    if (lost) ({ handle, writer, model } = await fresh());
  }
  writer.close();
}

async function slotOf(handle: Handle, slot: number): Promise<Buffer> {
  const all = Buffer.alloc(slotBytes);
  for (let at = 0; at < slotBytes; ) {
    const { data } = await reader.read(handle, slot * slotBytes + at, slotBytes - at);
    if (data.length === 0) break;
    data.copy(all, at);
    at += data.length;
  }
  return all;
}

test("no byte of one client's WRITE is found in another's file", async () => {
  const seed = seedFor("mixed writes", "MIXED_SEED");
  const plays: Promise<void>[] = [];
  for (let who = 1; who <= 6; who++) {
    const connect = who <= 3 ? (_: string, handle: Handle) => nfsWriter(handle) : (name: string) => smbWriter(name, who % 2 === 0 ? "sealed" : "signed");
    plays.push(play(who, new Random(seed + who), connect));
  }
  await Promise.all(plays);
}, 60_000 + rounds * 5_000);
