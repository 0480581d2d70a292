import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { NtStatus } from "#wire/ntstatus.ts";
import { AccessMask, CreateOption, Disposition, OplockLevel, ShareAccess } from "#wire/smb2/create.ts";
import { Command } from "#wire/smb2/header.ts";
import { startTarget, type Target, targetPassword, targetShare, targetUser } from "../../conformance/target.ts";
import { type Handle, NfsClient, NfsError, Stable, Status } from "../../support/nfs-client.ts";
import { SmbClient } from "../../support/smb-client.ts";
import { type CreateAnswer, type CreateFields, LockFlags, SmbFiles } from "../../support/smb-requests.ts";
import type { Reply } from "../../support/smb-wire.ts";

/** One SMB and one NFS client on the same files: what each holds, the other meets. */

const shareAll = ShareAccess.READ | ShareAccess.WRITE | ShareAccess.DELETE;
const text = (words: string): Uint8Array => new TextEncoder().encode(words);
let target: Target;
let nfs: NfsClient;
let root: Handle;
let files: SmbFiles;
let names = 0;

beforeAll(async () => {
  target = await startTarget();
  nfs = await NfsClient.connect({ port: target.server.port, credentials: { uid: 1000, gid: 1000 } });
  root = await nfs.mount(`/${targetShare}`);
  files = await connect();
});

afterAll(async () => {
  nfs?.close();
  files?.client.close();
  await target?.stop();
});

async function connect(): Promise<SmbFiles> {
  const client = await SmbClient.open(target.port);
  await client.negotiate({ capabilities: 0x7f });
  const { status } = await client.login(targetUser, targetPassword);
  if (status !== 0) throw new Error(`log-in: ${status.toString(16)}`);
  return await SmbFiles.of(client, targetShare);
}

/** A new name. */
const fresh = (): string => `file-${++names}`;

async function opened(fields: CreateFields): Promise<CreateAnswer> {
  const answer = await files.create({ disposition: Disposition.OPEN_IF, ...fields });
  expect(answer.status).toBe(NtStatus.SUCCESS);
  return answer;
}

/** The NFS status a call is refused with; ok where it isn't. */
async function statusOf(work: Promise<unknown>): Promise<number> {
  try {
    await work;
    return Status.ok;
  } catch (error) {
    if (error instanceof NfsError) return error.status;
    throw error;
  }
}

const handleOf = async (name: string): Promise<Handle> => (await nfs.lookup(root, name)).handle;

describe("share modes of SMB hold for NFS", () => {
  test("who denies writing denies it to NFS, until he closes", async () => {
    const name = fresh();
    const file = await opened({ name, share: ShareAccess.READ | ShareAccess.DELETE });
    expect(await files.write(file.fileId, 0, text("of SMB"))).toBe(0);
    const handle = await handleOf(name);
    expect(await statusOf(nfs.write(handle, 0, text("of NFS"), Stable.fileSync))).toBe(Status.access);
    expect(await statusOf(nfs.setattr(handle, { size: 0 }))).toBe(Status.access);
    expect((await nfs.read(handle, 0, 100)).data.toString()).toBe("of SMB");
    expect(await files.close(file.fileId)).toBe(0);
    expect(await statusOf(nfs.write(handle, 0, text("of NFS"), Stable.fileSync))).toBe(Status.ok);
  });

  test("who denies reading denies it to NFS", async () => {
    const name = fresh();
    const file = await opened({ name, share: ShareAccess.WRITE });
    const handle = await handleOf(name);
    expect(await statusOf(nfs.read(handle, 0, 100))).toBe(Status.access);
    expect(await statusOf(nfs.write(handle, 0, text("x"), Stable.fileSync))).toBe(Status.ok);
    expect(await files.close(file.fileId)).toBe(0);
    expect(await statusOf(nfs.read(handle, 0, 100))).toBe(Status.ok);
  });

  test("who denies deletion keeps NFS from removing and renaming; who allows it keeps the content till he closes", async () => {
    const name = fresh();
    const denied = await opened({ name, share: ShareAccess.READ | ShareAccess.WRITE });
    expect(await statusOf(nfs.remove(root, name))).toBe(Status.access);
    expect(await statusOf(nfs.rename(root, name, root, `${name}-moved`))).toBe(Status.access);
    expect(await files.close(denied.fileId)).toBe(0);
    const file = await opened({ name, share: shareAll });
    expect(await files.write(file.fileId, 0, text("still here"))).toBe(0);
    expect(await statusOf(nfs.remove(root, name))).toBe(Status.ok);
    expect(await statusOf(handleOf(name))).toBe(Status.noEntry);
    expect(await files.read(file.fileId, 0, 10)).toBe(0);
    expect(await files.close(file.fileId)).toBe(0);
  });
});

test("a byte range that SMB has locked has NFS come back later; what is not locked is written", async () => {
  const name = fresh();
  const file = await opened({ name, share: shareAll });
  expect(await files.lock(file.fileId, [{ offset: 0, length: 10, flags: LockFlags.exclusive | LockFlags.now }])).toBe(0);
  const handle = await handleOf(name);
  expect(await statusOf(nfs.write(handle, 5, text("inside"), Stable.fileSync))).toBe(Status.jukebox);
  expect(await statusOf(nfs.write(handle, 10, text("behind"), Stable.fileSync))).toBe(Status.ok);
  expect(await files.lock(file.fileId, [{ offset: 0, length: 10, flags: LockFlags.unlock }])).toBe(0);
  expect(await statusOf(nfs.write(handle, 5, text("inside"), Stable.fileSync))).toBe(Status.ok);
  await files.close(file.fileId);
});

describe("caching that SMB grants is taken back for NFS", () => {
  const lease = { read: 1, handle: 2, write: 4 } as const;

  function leaseContext(key: Buffer, state: number): readonly [string, Uint8Array] {
    const data = Buffer.alloc(52);
    data.set(key, 0);
    data.writeUInt32LE(state, 16);
    return ["RqLs", data];
  }

  const keyOf = (name: string): Buffer => Buffer.from(name.padEnd(16, "."));

  async function leased(name: string, state: number, access: number = AccessMask.READ_DATA | AccessMask.WRITE_DATA | AccessMask.READ_ATTRIBUTES | AccessMask.SYNCHRONIZE): Promise<CreateAnswer> {
    const answer = await opened({ name, share: shareAll, access, oplock: OplockLevel.LEASE, contexts: [leaseContext(keyOf(name), state)] });
    expect(answer.contexts.get("RqLs")?.readUInt32LE(16)).toBe(state);
    return answer;
  }

  /** What a lease break says: from which state to which, and whether it is waited for. */
  function breakOf(reply: Reply): { readonly from: number; readonly to: number; readonly waits: boolean } {
    expect([reply.command, reply.messageId]).toEqual([Command.OPLOCK_BREAK, 2n ** 64n - 1n]);
    return { from: reply.body.readUInt32LE(24), to: reply.body.readUInt32LE(28), waits: (reply.body.readUInt32LE(4) & 1) !== 0 };
  }

  async function acknowledge(name: string, state: number): Promise<number> {
    const body = Buffer.alloc(36);
    body.writeUInt16LE(36, 0);
    body.set(keyOf(name), 8);
    body.writeUInt32LE(state, 24);
    return (await files.call(Command.OPLOCK_BREAK, body)).status;
  }

  test("a write over NFS waits until the client has given its lease back, and finds what that wrote meanwhile", async () => {
    const name = fresh();
    const file = await leased(name, lease.read | lease.handle | lease.write);
    const handle = await handleOf(name);
    const written = nfs.write(handle, 0, text("N"), Stable.fileSync);
    const told = breakOf(await files.client.next());
    expect(told).toMatchObject({ from: 7, waits: true });
    expect(told.to & lease.write).toBe(0);
    // What the client kept to itself so far.
    expect(await files.write(file.fileId, 0, text("cached by SMB"))).toBe(0);
    expect(await acknowledge(name, told.to)).toBe(0);
    expect((await written).written).toBe(1);
    expect((await nfs.read(handle, 0, 100)).data.toString()).toBe("Nached by SMB");
    await files.close(file.fileId);
  });

  test("a read over NFS sees what the client had cached", async () => {
    const name = fresh();
    const file = await leased(name, lease.read | lease.handle | lease.write);
    const reading = nfs.read(await handleOf(name), 0, 100);
    const told = breakOf(await files.client.next());
    expect(told.to & lease.write).toBe(0);
    expect(await files.write(file.fileId, 0, text("from the cache"))).toBe(0);
    expect(await acknowledge(name, told.to)).toBe(0);
    expect((await reading).data.toString()).toBe("from the cache");
    await files.close(file.fileId);
  });

  test("a write over NFS takes a lease to read at once, without waiting", async () => {
    const name = fresh();
    const file = await leased(name, lease.read);
    const { written } = await nfs.write(await handleOf(name), 0, text("new"), Stable.fileSync);
    expect(written).toBe(3);
    expect(breakOf(await files.client.next())).toEqual({ from: lease.read, to: 0, waits: false });
    await files.close(file.fileId);
  });

  test("an oplock is broken by a write over NFS, too", async () => {
    const name = fresh();
    const file = await opened({ name, share: shareAll, oplock: OplockLevel.EXCLUSIVE });
    expect(file.oplock).toBe(OplockLevel.EXCLUSIVE);
    const written = nfs.write(await handleOf(name), 0, text("x"), Stable.fileSync);
    const told = await files.client.next();
    expect(told.command).toBe(Command.OPLOCK_BREAK);
    const level = told.body[2] ?? 0xff;
    const body = Buffer.alloc(24);
    body.writeUInt16LE(24, 0);
    body[2] = level;
    body.set(file.fileId, 8);
    expect((await files.call(Command.OPLOCK_BREAK, body)).status).toBe(0);
    expect((await written).written).toBe(1);
    await files.close(file.fileId);
  });
});

describe("what NFS changes is told to who watches over SMB", () => {
  const action = { added: 1, removed: 2, modified: 3, oldName: 4, newName: 5 } as const;

  async function watch(fileId: Uint8Array): Promise<void> {
    const body = Buffer.alloc(32);
    body.writeUInt16LE(32, 0);
    body.writeUInt16LE(1, 2);
    body.writeUInt32LE(4096, 4);
    body.set(fileId, 8);
    body.writeUInt32LE(0xfff, 24);
    expect((await files.call(Command.CHANGE_NOTIFY, body)).status).toBe(NtStatus.PENDING);
  }

  function changesOf(reply: Reply): readonly (readonly [number, string])[] {
    expect([reply.command, reply.status]).toEqual([Command.CHANGE_NOTIFY, 0]);
    const from = reply.body.readUInt16LE(2);
    const data = reply.bytes.subarray(from, from + reply.body.readUInt32LE(4));
    const changes: (readonly [number, string])[] = [];
    for (let at = 0, next = -1; next !== 0; at += next) {
      next = data.readUInt32LE(at);
      changes.push([data.readUInt32LE(at + 4), data.toString("utf16le", at + 12, at + 12 + data.readUInt32LE(at + 8))]);
    }
    return changes;
  }

  test("created, written, renamed, removed, at any depth", async () => {
    const top = fresh();
    const watched = await opened({ name: top, options: CreateOption.DIRECTORY_FILE, access: AccessMask.READ_DATA | AccessMask.READ_ATTRIBUTES | AccessMask.SYNCHRONIZE, share: shareAll });
    const directory = await handleOf(top);
    const steps: readonly (readonly [() => Promise<unknown>, readonly (readonly [number, string])[]])[] = [
      [() => nfs.mkdir(directory, "below", { mode: 0o755 }), [[action.added, "below"]]],
      [async () => nfs.create((await nfs.lookup(directory, "below")).handle, "f", { mode: 0o644 }), [[action.added, "below\\f"]]],
      [() => nfs.rename(directory, "below", directory, "moved"), [[action.oldName, "below"], [action.newName, "moved"]]],
      [async () => nfs.remove((await nfs.lookup(directory, "moved")).handle, "f"), [[action.removed, "moved\\f"]]],
    ];
    for (const [work, expected] of steps) {
      await watch(watched.fileId);
      await work();
      const changes = changesOf(await files.client.next());
      for (const one of expected) expect(changes).toContainEqual(one);
    }
    await files.close(watched.fileId);
  });
});

test("names made over NFS that differ only in case are told apart by their exact spelling, and one of them is found", async () => {
  for (const name of ["Twin", "twin"]) await nfs.write((await nfs.create(root, name, { mode: 0o666 })).handle!, 0, text(name), Stable.fileSync);
  for (const name of ["Twin", "twin"]) {
    const file = await files.create({ name, disposition: Disposition.OPEN, access: AccessMask.READ_DATA | AccessMask.SYNCHRONIZE });
    const reply = await files.call(Command.READ, readOf(file.fileId));
    expect(reply.bytes.toString("latin1", reply.body[2], (reply.body[2] ?? 0) + 4)).toBe(name);
    await files.close(file.fileId);
  }
  const other = await files.create({ name: "TWIN", disposition: Disposition.OPEN, access: AccessMask.READ_DATA | AccessMask.SYNCHRONIZE });
  expect(other.status).toBe(0);
  await files.close(other.fileId);
});

function readOf(fileId: Uint8Array): Buffer {
  const body = Buffer.alloc(49);
  body.writeUInt16LE(49, 0);
  body.writeUInt32LE(100, 4);
  body.set(fileId, 16);
  return body;
}
