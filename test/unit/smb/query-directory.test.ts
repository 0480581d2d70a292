import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { rootId } from "#model/ids.ts";
import { shownName } from "#smb/open/names.ts";
import { FileInfo } from "#wire/fscc.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import { SmbFiles } from "../../support/smb-requests.ts";
import { smbServer, type TestSmb } from "../../support/smb-server.ts";
import type { Reply } from "../../support/smb-wire.ts";
import { alice, bytesOf, file, folder, ok } from "../vfs/kit.ts";

let server: TestSmb;
let files: SmbFiles;
let root: Buffer;

beforeEach(async () => {
  server = await smbServer();
  files = await SmbFiles.of(await server.client());
  root = (await files.create({ name: "", disposition: 1, options: 1, access: 0x100081 })).fileId;
});
afterEach(() => server.stop());

const restart = 1;
const single = 2;
const indexed = 4;
const reopen = 0x10;
/** Where the name stands in an entry, and its length, by class. */
const nameAt: Readonly<Record<number, number>> = { 1: 64, 2: 68, 3: 94, 12: 12, 37: 104, 38: 80, 60: 88, 63: 114 };

function body(fileId: Uint8Array, pattern: string, { flags = 0, infoClass = FileInfo.IdBothDirectory as number, room = 65_536, index = 0 } = {}): Buffer {
  const name = Buffer.from(pattern, "utf16le");
  const all = Buffer.alloc(32 + Math.max(1, name.length));
  all.writeUInt16LE(33, 0);
  all[2] = infoClass;
  all[3] = flags;
  all.writeUInt32LE(index, 4);
  all.set(fileId, 8);
  all.writeUInt16LE(96, 24);
  all.writeUInt16LE(name.length, 26);
  all.writeUInt32LE(room, 28);
  all.set(name, 32);
  return all;
}

async function page(pattern: string, options: Parameters<typeof body>[2] = {}, fileId = root) {
  const reply = await files.call(Command.QUERY_DIRECTORY, body(fileId, pattern, options));
  const names: string[] = [];
  const entries: Buffer[] = [];
  if (reply.status !== 0) return { status: reply.status, names, entries };
  const length = reply.body.readUInt32LE(4);
  const data = reply.bytes.subarray(reply.body.readUInt16LE(2), reply.body.readUInt16LE(2) + length);
  const infoClass = options.infoClass ?? FileInfo.IdBothDirectory;
  for (let at = 0; ; ) {
    const next = data.readUInt32LE(at);
    const entry = data.subarray(at, next === 0 ? data.length : at + next);
    const bytes = entry.readUInt32LE(infoClass === FileInfo.Names ? 8 : 60);
    names.push(entry.toString("utf16le", nameAt[infoClass]!, nameAt[infoClass]! + bytes));
    entries.push(Buffer.from(entry));
    expect(at % 8).toBe(0);
    expect(entry.length).toBeGreaterThanOrEqual(nameAt[infoClass]! + bytes);
    if (next === 0) return { status: reply.status, names, entries };
    at += next;
  }
}

/** Names of an IdBothDirectory listing. */
function namesOf(reply: Reply): readonly string[] {
  const names: string[] = [];
  if (reply.status !== 0) return names;
  for (let at = reply.body.readUInt16LE(2), next = 1; next !== 0; at += next) {
    names.push(reply.bytes.toString("utf16le", at + 104, at + 104 + reply.bytes.readUInt32LE(at + 60)));
    next = reply.bytes.readUInt32LE(at);
  }
  return names;
}

async function all(pattern: string, options: Parameters<typeof body>[2] = {}, fileId = root): Promise<string[]> {
  const found: string[] = [];
  for (let flags = (options.flags ?? 0) | reopen; ; flags = options.flags ?? 0) {
    const { status, names } = await page(pattern, { ...options, flags }, fileId);
    if (status === NtStatus.NO_MORE_FILES) return found;
    expect(status).toBe(0);
    found.push(...names);
  }
}

describe("a listing", () => {
  test("has every entry once, with the dots, in every format and however little room there is", async () => {
    const { share } = server.world;
    const wanted = [".", ".."];
    for (let i = 0; i < 60; i++) wanted.push((await file(share, `file ${i}`, 0o644, alice)).id === 0 ? "" : `file ${i}`);
    for (const infoClass of Object.keys(nameAt)) {
      expect((await all("*", { infoClass: Number(infoClass) })).toSorted()).toEqual(wanted.toSorted());
      expect((await all("*", { infoClass: Number(infoClass), room: 160 })).toSorted()).toEqual(wanted.toSorted());
    }
    expect((await all("*", { flags: single })).length).toBe(wanted.length);
  });

  test("keeps its pattern and place until it is restarted or reopened", async () => {
    for (const name of ["a1", "a2", "b1"]) await file(server.world.share, name);
    expect((await page("a*", { flags: single })).names).toEqual(["a1"]);
    expect((await page("b*")).names).toEqual(["a2"]);
    expect((await page("b*")).status).toBe(NtStatus.NO_MORE_FILES);
    expect((await page("b*", { flags: restart })).names).toEqual(["a1", "a2"]);
    expect((await page("b*", { flags: reopen })).names).toEqual(["b1"]);
    expect((await page("c*", { flags: reopen })).status).toBe(NtStatus.NO_SUCH_FILE);
    expect((await page("", { flags: reopen })).names).toEqual([".", "..", "a1", "a2", "b1"]);
  });

  test("goes on from the index of an entry", async () => {
    for (const name of ["a", "b", "c", "d"]) await file(server.world.share, name);
    const { names, entries } = await page("*");
    const index = entries[names.indexOf("b")]!.readUInt32LE(4);
    expect(index).toBeGreaterThan(2);
    expect((await page("", { flags: indexed, index })).names).toEqual(["c", "d"]);
    expect((await page("", { flags: indexed })).status).toBe(NtStatus.NO_MORE_FILES);
  });

  test("of one name looks it up in any case, and gives it as it is stored", async () => {
    await file(server.world.share, "Grüße.TXT");
    expect(await page("gRÜSSE.txt")).toMatchObject({ status: NtStatus.NO_SUCH_FILE });
    expect(await all("gRÜßE.txt")).toEqual(["Grüße.TXT"]);
    expect((await page("grüße.txt", { flags: reopen, room: 110 })).status).toBe(NtStatus.INFO_LENGTH_MISMATCH);
    expect((await page("grüße.txt")).names).toEqual(["Grüße.TXT"]);
  });

  test("shows names NTFS has no place for, and what it shows can be opened", async () => {
    const { share } = server.world;
    const names = ["a:b", "what?", "dot.", "space ", 'q"*<>|\\', "bell\u0007"];
    for (const name of names) await file(share, name);
    const shown = await all("*");
    expect(shown.slice(2)).toEqual(names.map(shownName));
    for (const name of shown.slice(2)) expect((await files.create({ name, disposition: 1, access: 0x80 })).status).toBe(0);
    expect((await files.create({ name: "new\uf022", disposition: 2 })).status).toBe(0);
    ok(await share.lookup(alice, rootId, "new:"));
    // As somebody copied it who maps names himself.
    await file(share, "raw\uf022");
    expect((await files.create({ name: "raw\uf022", disposition: 1, access: 0x80 })).status).toBe(0);
  });

  test("goes on through changes: what stays is given once, what went not at all", async () => {
    const { share } = server.world;
    for (let i = 0; i < 60; i++) await file(share, `f${i}`);
    const first = await page("*", { room: 1000 });
    const gone: string[] = [];
    for (let i = 0; i < 60; i += 2) {
      if (first.names.includes(`f${i}`)) continue;
      gone.push(`f${i}`);
      ok(await share.remove(alice, rootId, `f${i}`));
    }
    await file(share, "new");
    const rest: string[] = [];
    for (let next = await page("*"); next.status === 0; next = await page("*")) rest.push(...next.names);
    const seen = [...first.names, ...rest];
    expect(new Set(seen).size).toBe(seen.length);
    for (const name of gone) expect(rest).not.toContain(name);
    for (let i = 0; i < 60; i++) if (!gone.includes(`f${i}`)) expect(seen).toContain(`f${i}`);
  });

  test("asked for by many requests at once is given once, in order", async () => {
    const { share, store } = server.world;
    for (let i = 0; i < 200; i++) await file(share, `f${i}`);
    share.resizeCaches(8, 8);
    store.asynchronous = true;
    for (let i = 0; i < 30; i++) files.send(Command.QUERY_DIRECTORY, body(root, "*", { room: 1000 }));
    const seen: string[] = [];
    for (let i = 0; i < 30; i++) seen.push(...namesOf(await files.client.next()));
    store.asynchronous = false;
    expect(seen.length).toBe(202);
    expect(new Set(seen).size).toBe(202);
  });

  test("tells facts: sizes, types, ids", async () => {
    const { share } = server.world;
    const f = await file(share, "f");
    ok(await share.write(alice, f.id, 0, [bytesOf("12345")], 5, false));
    const d = await folder(share, "d");
    const { names, entries } = await page("*");
    const entry = (name: string) => entries[names.indexOf(name)]!;
    expect([entry("f").readBigUInt64LE(40), entry("f").readBigUInt64LE(48), entry("f").readUInt32LE(56), entry("f").readBigUInt64LE(96)]).toEqual([5n, 4096n, 0x20, BigInt(f.id)]);
    expect([entry("d").readBigUInt64LE(40), entry("d").readUInt32LE(56), entry("d").readBigUInt64LE(96)]).toEqual([0n, 0x10, BigInt(d.id)]);
    expect(entry(".").readBigUInt64LE(96)).toBe(BigInt(rootId));
    // No 8.3 name.
    expect(entry("f")[68]).toBe(0);
  });
});

test("requests that can't be answered get the status of MS-SMB2 3.3.5.18", async () => {
  await file(server.world.share, "f");
  const one = (await files.create({ name: "f", disposition: 1, access: 0x81 })).fileId;
  const blind = (await files.create({ name: "", disposition: 1, options: 1, access: 0x80 })).fileId;
  expect((await page("*", {}, one)).status).toBe(NtStatus.INVALID_PARAMETER);
  expect((await page("*", {}, blind)).status).toBe(NtStatus.ACCESS_DENIED);
  for (const infoClass of [0, 4, 5, 61, 62, 64, 255]) expect((await page("*", { infoClass })).status).toBe(NtStatus.INVALID_INFO_CLASS);
  expect((await page("*", { room: 103 })).status).toBe(NtStatus.INFO_LENGTH_MISMATCH);
  expect((await page("*", { room: 2 ** 20 + 1 })).status).toBe(NtStatus.INVALID_PARAMETER);
  expect((await page("*", {}, Buffer.alloc(16, 7))).status).toBe(NtStatus.FILE_CLOSED);
});
