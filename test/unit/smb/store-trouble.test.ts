import { afterEach, beforeEach, expect, test } from "bun:test";
import { MetadataStoreError } from "#metadata/index.ts";
import { StoreFailedError } from "#model/block-store.ts";
import { FsError } from "#model/fs-error.ts";
import { FileInfo } from "#wire/fscc.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import { until } from "../../support/wait.ts";
import { emptyBody, queryInfoBody } from "../../support/smb-client.ts";
import { closeBody, createBody } from "../../support/smb-requests.ts";
import { compound } from "../../support/smb-wire.ts";
import { away, later, TroubledWorld } from "./trouble-kit.ts";

/** Requests that meet a store which is away or refuses: they are answered by a status, and all else goes on. */

const related = 4;
const async = 2;
const noFile = Buffer.alloc(16, 0xff);

/** Asks for all names of an open directory. */
function queryDirectoryBody(fileId: Uint8Array): Buffer {
  const body = Buffer.alloc(34);
  body.writeUInt16LE(33, 0);
  body[2] = FileInfo.Names;
  body.set(fileId, 8);
  body.writeUInt16LE(64 + 32, 24);
  body.writeUInt16LE(2, 26);
  body.writeUInt32LE(4096, 28);
  body.write("*", 32, "utf16le");
  return body;
}

let world: TroubledWorld;

beforeEach(async () => {
  world = await TroubledWorld.open();
});
afterEach(() => world.stop());

const refuses = ["a request was answered by an I/O error: the share's store refuses what it needs"];

for (const [error, status, lines] of [
  [away, later, []],
  [new StoreFailedError("permission denied"), NtStatus.UNEXPECTED_IO_ERROR, refuses],
  [new MetadataStoreError("can't be written any more"), NtStatus.UNEXPECTED_IO_ERROR, refuses],
] as const) {
  test(`${error.name}: the request has a status, and its connection, session and opens go on`, async () => {
    const { files, log } = world;
    const { fileId } = await files.create({ name: "there" });
    world.breaks(error);
    expect((await files.create({ name: "new" })).status).toBe(status);
    expect([log.of("error"), log.of("warn")]).toEqual([[...lines], []]);
    if (lines.length > 0) expect(log.entries.find(({ level }) => level === "error")!.fields).toMatchObject({ command: "CREATE", user: "alice", share: "/export", error });
    world.mend();
    expect(await world.exists("new")).toBeFalse();
    expect(await files.write(fileId, 0, new Uint8Array(10))).toBe(0);
    world.share.write = () => {
      throw error;
    };
    expect([await files.write(fileId, 0, new Uint8Array(10)), log.of("error")]).toEqual([status, [...lines, ...lines]]);
    // Its cause is none of another's.
    world.share.write = () => FsError.of("io");
    expect([await files.write(fileId, 0, new Uint8Array(10)), log.of("warn").length]).toEqual([NtStatus.UNEXPECTED_IO_ERROR, 1]);
    expect(await files.close(fileId)).toBe(0);
    await world.made("new");
    world.nothingLeft();
  });
}

test("what is thrown before anything is waited for has a status, too; any other fault still costs the connection", async () => {
  const { files, share } = world;
  const { fileId } = await files.create({ name: "there" });
  share.write = () => {
    throw away;
  };
  expect(await files.write(fileId, 0, new Uint8Array(10))).toBe(later);
  share.write = () => {
    throw new Error("a fault of ours");
  };
  await expect(files.write(fileId, 0, new Uint8Array(10))).rejects.toThrow("closed the connection");
  expect(world.log.of("error")).toEqual(["an SMB request failed"]);
});

test("what follows a CREATE in its compound fails as that did, and a compound goes on behind any other request", async () => {
  const { client, treeId } = world.files;
  const { fileId } = await world.files.create({ name: "there" });
  const sent = async (...parts: readonly Buffer[]): Promise<number[]> => {
    client.sendRaw(compound(...parts));
    const statuses: number[] = [];
    for (const _ of parts) statuses.push((await client.next()).status);
    return statuses;
  };
  const first = (command: number, body: Uint8Array): Buffer => client.request(command, body, { treeId });
  const next = (command: number, body: Uint8Array): Buffer => client.request(command, body, { treeId, flags: related });
  world.breaks();
  expect(await sent(first(Command.CREATE, createBody({ name: "new" })), next(Command.QUERY_INFO, queryInfoBody(noFile)), next(Command.CLOSE, closeBody(noFile)))).toEqual([later, later, later]);
  // What the CREATE before opened is not meant.
  expect(await sent(first(Command.CREATE, createBody({ name: "there" })), next(Command.CREATE, createBody({ name: "new" })), next(Command.CLOSE, closeBody(noFile)))).toEqual([0, later, later]);
  world.share.commit = () => Promise.reject(away);
  const flush = Buffer.alloc(24);
  flush.writeUInt16LE(24, 0);
  flush.set(fileId, 8);
  expect(await sent(first(Command.FLUSH, flush), next(Command.CLOSE, closeBody(noFile)), first(Command.ECHO, emptyBody))).toEqual([later, 0, 0]);
});

const waits: Readonly<Record<string, (held: Promise<never>, fileId: Uint8Array) => readonly [command: number, body: Uint8Array]>> = {
  CREATE: (held) => {
    world.world.server.world.store.apply = () => held;
    return [Command.CREATE, createBody({ name: "new" })];
  },
  QUERY_INFO: (held, fileId) => {
    world.share.getattr = () => held;
    return [Command.QUERY_INFO, queryInfoBody(fileId)];
  },
  QUERY_DIRECTORY: (held, fileId) => {
    world.share.readdir = () => held;
    return [Command.QUERY_DIRECTORY, queryDirectoryBody(fileId)];
  },
};

for (const [name, begin] of Object.entries(waits)) {
  test(`${name}: one whose client was told that it goes on ends by its status, once`, async () => {
    const { files, world: durables } = world;
    const { fileId } = await files.create({ name: "", disposition: 1, options: 1, access: 0x100081 });
    const held = Promise.withResolvers<never>();
    const [command, body] = begin(held.promise, fileId);
    durables.clock.hold(2_000);
    files.send(command, body, { credits: 5 });
    await until("the request to wait", 5_000, () => (durables.clock.waits.includes(2_000) ? true : null));
    durables.clock.pass(2_000);
    const interim = await files.client.next();
    expect([interim.status, interim.flags & async, interim.credits]).toEqual([NtStatus.PENDING, async, 5]);
    held.reject(away);
    const final = await files.client.next();
    expect([final.status, final.messageId, final.asyncId, final.credits]).toEqual([later, interim.messageId, interim.asyncId, 0]);
    expect(await files.close(fileId)).toBe(0);
    world.nothingLeft();
  });
}
