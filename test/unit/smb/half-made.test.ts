import { afterEach, beforeEach, expect, test } from "bun:test";
import { FsError } from "#model/fs-error.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import { FileInfo } from "#wire/fscc.ts";
import { emptyBody } from "../../support/smb-client.ts";
import { closeBody, createBody, type CreateFields, durable } from "../../support/smb-requests.ts";
import { until } from "../../support/wait.ts";
import { kept } from "./durable/kit.ts";
import { alice, ok } from "../vfs/kit.ts";
import { away, later, TroubledWorld } from "./trouble-kit.ts";

/** Requests whose store goes away in their midst: what they took is given back, and done again they come to what they should. */

const [OPEN, OPEN_IF, OVERWRITE, OVERWRITE_IF, SUPERSEDE] = [1, 3, 4, 5, 0];
const deleteOnClose = 0x1000;
const changesMax = 20;

let world: TroubledWorld;

beforeEach(async () => {
  world = await TroubledWorld.open();
});
afterEach(() => world.stop());

/** One extended attribute (MS-FSCC 2.4.16). */
const ea = Buffer.from([0, 0, 0, 0, 0, 1, 1, 0, 0x41, 0, 0x31]);

const creates: Readonly<Record<string, CreateFields>> = {
  "makes a file": { name: "new", disposition: OPEN_IF },
  "makes a directory": { name: "new", disposition: OPEN_IF, options: 1 },
  "opens a file": { name: "file", disposition: OPEN },
  "overwrites a file": { name: "file", disposition: OVERWRITE },
  "overwrites a file that goes with its close": { name: "file", disposition: OVERWRITE_IF, options: deleteOnClose },
  "overwrites a file by one with EAs": { name: "file", disposition: SUPERSEDE, contexts: [["ExtA", ea]] },
  "makes a stream": { name: "file:new", disposition: OPEN_IF },
  "makes a stream and its file": { name: "new:new", disposition: OPEN_IF },
  "overwrites a stream": { name: "file:stream", disposition: OVERWRITE },
  "overwrites a stream that goes with its close": { name: "file:stream", disposition: OVERWRITE_IF, options: deleteOnClose },
};

for (const [what, fields] of Object.entries(creates)) {
  for (const oplock of [0, 9]) {
    test(`a CREATE that ${what}${oplock === 0 ? "" : " and asks for an oplock"}: after every change of it`, async () => {
      const { files } = world;
      await world.made("file", { contexts: [["ExtA", ea]] });
      await world.made("file:stream");
      await world.made("file:other");
      for (let changes = 0; ; changes++) {
        expect(changes).toBeLessThan(changesMax);
        world.breaks(away, changes);
        const tried = await files.create({ ...fields, oplock });
        world.mend();
        if (tried.status === 0) {
          expect(await files.close(tried.fileId)).toBe(0);
          break;
        }
        expect(tried.status).toBe(later);
        await world.alone("file");
        if (fields.name === "file:stream") await world.alone("file:stream");
      }
      world.nothingLeft();
    });
  }
}

for (const [reads, fields] of [
  ["streams", { name: "file", disposition: OVERWRITE_IF, options: deleteOnClose }],
  ["streams", { name: "file", disposition: OPEN }],
  ["setattr", { name: "file:stream", disposition: OVERWRITE }],
  ["openStream", { name: "file:stream", disposition: OPEN }],
] as const) {
  test(`a CREATE of ${fields.name} that lacks what it needs (${reads})`, async () => {
    await world.made("file");
    await world.made("file:stream");
    expect((await world.without(reads, () => world.files.create(fields))).status).toBe(later);
    await world.alone("file");
    await world.alone("file:stream");
  });
}

test("a CREATE that comes to nothing has no file go with it", async () => {
  await world.made("file");
  await world.made("file:stream");
  for (const name of ["file", "file:stream"]) {
    const full = (): Promise<FsError> => Promise.resolve(FsError.of("noSpace"));
    const tried = await world.without("setattr", () => world.files.create({ name, disposition: OVERWRITE_IF, options: deleteOnClose }), full);
    expect(tried.status).toBe(NtStatus.DISK_FULL);
    await world.alone(name);
  }
});

test("a CREATE of a stream that ends as the last of somebody's who had it go: neither it nor its file stays open", async () => {
  const other = await world.world.files(8);
  const theirs = await other.create({ name: "file:stream", options: deleteOnClose });
  const asked = Promise.withResolvers<void>();
  const held = Promise.withResolvers<never>();
  const waits = (): Promise<never> => {
    asked.resolve();
    return held.promise;
  };
  const tried = world.without("setattr", () => world.files.create({ name: "file:stream", disposition: OVERWRITE }), waits);
  await asked.promise;
  expect(await other.close(theirs.fileId)).toBe(0);
  world.breaks();
  held.reject(away);
  expect((await tried).status).toBe(later);
  world.mend();
  await world.alone("file:stream");
  await world.alone("file");
});

test("a CLOSE whose name can't go: it is closed, it says so, and the name stays until somebody deletes it", async () => {
  const { files, log } = world;
  for (const name of ["file", "file:stream"]) {
    const { fileId } = await files.create({ name, options: deleteOnClose });
    world.breaks();
    expect(await files.close(fileId)).toBe(later);
    world.mend();
    expect(log.of("warn")).toEqual(["a file was closed, but what its close was to store was not stored: its name stays if it was to be deleted, and its write time is that of the last write"]);
    log.entries.length = 0;
    expect(await files.close(fileId)).toBe(NtStatus.FILE_CLOSED);
    await world.alone(name);
    await world.made(name, { options: deleteOnClose });
    expect((await files.create({ name, disposition: OPEN })).status).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
  }
});

test("a fork of a Mac's that may have content stays where that can't be looked up, and its CLOSE says so", async () => {
  const { files, share } = world;
  await world.made("file");
  const name = "file:AFP_Resource";
  const { fileId } = await files.create({ name, options: deleteOnClose });
  expect(await files.write(fileId, 0, new Uint8Array(10))).toBe(0);
  expect((await world.without("getattr", () => files.call(Command.CLOSE, closeBody(fileId)))).status).toBe(later);
  await world.alone(name);
  const file = ok(await share.lookup(alice, (await share.root()).id, "file")).inode;
  expect(ok(await share.streams(alice, file.id)).map(({ inode }) => inode.size)).toEqual([10]);
});

/** FileBasicInformation with this write time alone. */
function basic(writeTime: bigint): Buffer {
  const input = Buffer.alloc(40);
  input.writeBigInt64LE(writeTime, 16);
  return input;
}

async function set(fileId: Uint8Array, infoClass: number, input: Uint8Array): Promise<number> {
  const body = Buffer.alloc(32 + input.length);
  body.writeUInt16LE(33, 0);
  body[2] = 1;
  body[3] = infoClass;
  body.writeUInt32LE(input.length, 4);
  body.writeUInt16LE(64 + 32, 8);
  body.set(fileId, 16);
  body.set(input, 32);
  return (await world.files.call(Command.SET_INFO, body)).status;
}

const longAgo = 126_000_000_000_000_000n;

async function mtimeOf(name: string): Promise<number> {
  const { share } = world;
  return ok(await share.lookup(alice, (await share.root()).id, name)).inode.mtime.sec;
}

test("a CLOSE whose write time can't be stored: it is closed, and says so", async () => {
  const { files, log } = world;
  const { fileId } = await files.create({ name: "file" });
  expect(await set(fileId, FileInfo.Basic, basic(longAgo))).toBe(0);
  expect(await files.write(fileId, 0, new Uint8Array(10))).toBe(0);
  world.breaks();
  expect(await files.close(fileId)).toBe(later);
  world.mend();
  expect(log.of("warn")).toHaveLength(1);
  await world.alone("file");
});

test("a CLOSE that is asked for what can't be read: it is closed, and says nothing of it", async () => {
  const { files } = world;
  const { fileId } = await files.create({ name: "file" });
  const body = closeBody(fileId);
  body.writeUInt16LE(1, 2);
  const reply = await world.without("getattr", () => files.call(Command.CLOSE, body));
  expect([reply.status, reply.body.readUInt16LE(2)]).toEqual([0, 0]);
  await world.alone("file");
});

test("a CLOSE that meets a fault of ours costs its connection, which closes what is open", async () => {
  const { files, log } = world;
  const { fileId } = await files.create({ name: "file" });
  const body = closeBody(fileId);
  body.writeUInt16LE(1, 2);
  await expect(world.without("getattr", () => files.call(Command.CLOSE, body), () => Promise.reject(new Error("a fault of ours")))).rejects.toThrow("closed the connection");
  expect(log.of("error")).toEqual(["an SMB request failed"]);
  await until("it to be closed", 5_000, () => (world.share.opens.size === 0 ? true : null));
});

test("a write time that could not be set is not set by the close either", async () => {
  const { files } = world;
  const { fileId } = await files.create({ name: "file" });
  world.breaks();
  expect(await set(fileId, FileInfo.Basic, basic(longAgo))).toBe(later);
  world.mend();
  const before = await mtimeOf("file");
  expect(await files.write(fileId, 0, new Uint8Array(10))).toBe(0);
  expect(await files.close(fileId)).toBe(0);
  expect(await mtimeOf("file")).toBeGreaterThanOrEqual(before);
  world.nothingLeft();
});

for (const [version, ask, back] of [
  [1, durable.v1, (id: Uint8Array) => durable.reconnectV1(id)],
  [2, durable.v2(new Uint8Array(16).fill(3)), (id: Uint8Array) => durable.reconnectV2(id, new Uint8Array(16).fill(3))],
] as const) {
  test(`a durable open (version ${version}) whose client comes back while the store is away waits on for him`, async () => {
    const made = await world.files.create(kept([ask]));
    await world.world.lose(world.files);
    world.files = await world.world.files();
    const again = (): Promise<{ readonly status: number; readonly fileId: Buffer }> => world.files.create({ name: "file", oplock: 9, contexts: [back(made.fileId)] });
    expect((await world.without("getattr", again)).status).toBe(later);
    expect([world.world.waiting, world.world.server.state.opens.size]).toEqual([1, 0]);
    const { status, fileId } = await again();
    expect([status, world.world.waiting]).toEqual([0, 0]);
    expect(await world.files.close(fileId)).toBe(0);
    await world.alone("file");
  });
}

test("a CREATE sent again (replay) while the store is away leaves its open waiting", async () => {
  const ask = durable.v2(new Uint8Array(16).fill(4));
  await world.files.create(kept([ask]));
  await world.world.lose(world.files);
  world.files = await world.world.files();
  const again = (): Promise<{ readonly status: number; readonly fileId: Buffer }> => world.files.create(kept([ask]), { flags: 0x20000000 });
  expect((await world.without("getattr", again)).status).toBe(later);
  expect([world.world.waiting, world.world.server.state.opens.size]).toEqual([1, 0]);
  const { status, fileId } = await again();
  expect([status, await world.files.close(fileId)]).toEqual([0, 0]);
  await world.alone("file");
});

/** Asks to come back to an open, or sends its CREATE again, and does `meanwhile` while it is looked up. */
async function comingBack(contexts: CreateFields["contexts"], flags: number, meanwhile: () => Promise<void>): Promise<number> {
  const { share, files } = world;
  const asked = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  const read = share.getattr.bind(share);
  share.getattr = async (id) => {
    asked.resolve();
    await held.promise;
    return read(id);
  };
  files.send(Command.CREATE, createBody(kept(contexts)), { flags });
  await asked.promise;
  share.getattr = read;
  await meanwhile();
  held.resolve();
  return (await files.client.next()).status;
}

const repeated = 0x20000000;
const created = durable.v2(new Uint8Array(16).fill(6));
const back = (id: Uint8Array): CreateFields["contexts"] => [durable.reconnectV2(id, new Uint8Array(16).fill(6))];

test("of two that come back to an open at once one has it", async () => {
  const made = await world.files.create(kept([created]));
  await world.world.lose(world.files);
  world.files = await world.world.files();
  const other = await world.world.files();
  let theirs: Uint8Array = Buffer.alloc(0);
  const status = await comingBack(back(made.fileId), 0, async () => {
    const answer = await other.create(kept(back(made.fileId)));
    expect(answer.status).toBe(0);
    theirs = answer.fileId;
  });
  expect(status).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
  expect(await other.close(theirs)).toBe(0);
  world.nothingLeft();
});

test("who comes back to an open by a CREATE sent again, and leaves the share before that is looked up, does not have it", async () => {
  await world.files.create(kept([created]));
  await world.world.lose(world.files);
  world.files = await world.world.files();
  const status = await comingBack([created], repeated, async () => {
    expect((await world.files.call(Command.TREE_DISCONNECT, emptyBody)).status).toBe(0);
  });
  expect([status, world.world.waiting, world.world.server.state.opens.size]).toEqual([NtStatus.NETWORK_NAME_DELETED, 1, 0]);
});

test("a CREATE sent again is not answered by a file that is closed before that is looked up", async () => {
  const { fileId } = await world.files.create(kept([created]));
  const status = await comingBack([created], repeated, async () => {
    expect(await world.files.close(fileId)).toBe(0);
  });
  expect(status).toBe(NtStatus.DUPLICATE_OBJECTID);
  world.nothingLeft();
});

test("a CREATE with a GUID that failed is done when it is sent again", async () => {
  const ask = durable.v2(new Uint8Array(16).fill(5));
  world.breaks();
  expect((await world.files.create(kept([ask]))).status).toBe(later);
  world.mend();
  const { status, fileId } = await world.files.create(kept([ask]), { flags: 0x20000000 });
  expect([status, await world.files.close(fileId)]).toEqual([0, 0]);
  await world.alone("file");
});
