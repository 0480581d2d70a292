import { expect } from "bun:test";
import type { Inode } from "#model/inode.ts";
import { type Caller, harness } from "../unit/nfs/harness.ts";
import { superuser } from "../support/policy.ts";
import { MemoryFileSystem } from "../unit/nfs/memory-file-system.ts";
import { Words } from "../unit/nfs/words.ts";

/**
 * Each procedure's arguments and results as RFC 1813 §3.3 declares them, written out field by field; `Words` knows nothing of
 * the code under test.
 */
export const unset = [0, 0, 0, 0, 0, 0] as const;

/** fattr3 (§2.6). */
export function fattr3(inode: Inode, fsid: bigint): Words {
  return new Words(
    inode.type, inode.mode, inode.links, inode.uid, inode.gid, BigInt(inode.size), BigInt(inode.used),
    inode.deviceMajor, inode.deviceMinor, fsid, BigInt(inode.id),
    inode.atime.sec, inode.atime.nsec, inode.mtime.sec, inode.mtime.nsec, inode.ctime.sec, inode.ctime.nsec,
  );
}
export const fsid = Bun.hash.xxHash64("/export");
export const postOp = (inode: Inode) => new Words(1).then(fattr3(inode, fsid));
const wccAttr = (i: Inode) => new Words(1, BigInt(i.size), i.mtime.sec, i.mtime.nsec, i.ctime.sec, i.ctime.nsec);
export const wcc = (before: Inode, after: Inode) => wccAttr(before).then(postOp(after));

export interface World {
  readonly fs: MemoryFileSystem;
  readonly caller: Caller;
  readonly root: Uint8Array;
  inode(name: string): Inode;
  handle(name: string): Uint8Array;
}

/** A share with a directory "d", a file "f" of 10 bytes and a link "l". */
export async function world(options: { readMax?: number; writeMax?: number } = {}): Promise<World> {
  const fs = new MemoryFileSystem("/export");
  const who = superuser;
  const root = fs.root();
  await fs.mkdir(who, root.id, "d", {});
  await fs.create(who, root.id, "f", { mode: "guarded", attributes: {} });
  await fs.symlink(who, root.id, "l", Buffer.from("target"), {});
  const inode = (name: string): Inode => fs.inodes.get(name === "/" ? 1 : (fs.names.get(1)!.get(name)!.id as number))!;
  await fs.write(who, inode("f").id, 0, [Buffer.from("0123456789")], 10, true);
  fs.log.length = 0;
  const handle = (name: string): Uint8Array => fs.handleOf(inode(name));
  return { fs, caller: harness([fs], options).connect(), root: fs.handleOf(root), inode, handle };
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
export function same(result: Uint8Array, expected: Words): void {
  expect(hex(result)).toBe(hex(expected.bytes()));
}
