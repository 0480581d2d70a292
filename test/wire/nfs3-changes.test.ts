import { describe, expect, test } from "bun:test";
import type { Inode } from "#model/inode.ts";
import { harness } from "../unit/nfs/harness.ts";
import { MemoryFileSystem } from "../unit/nfs/memory-file-system.ts";
import { Words } from "../unit/nfs/words.ts";
import { fattr3, fsid, hex, postOp, same, unset, wcc, world } from "./nfs3-world.ts";

describe("NFS version 3: what changes", () => {
  test("SETATTR, all fields, and a guard", async () => {
    const w = await world();
    const before = w.inode("f");
    const set = new Words(1, 0o640, 1, 5, 1, 6, 1, 4n, 2, 100, 200, 2, 300, 400);
    const guard = new Words(1, before.ctime.sec, before.ctime.nsec);
    const result = await w.caller.nfs(2, new Words(w.handle("f")).then(set).then(guard));
    const after = w.inode("f");
    same(result, new Words(0).then(wcc(before, after)));
    expect([after.mode, after.uid, after.gid, after.size]).toEqual([0o640, 5, 6, 4]);
    expect([after.atime.sec, after.atime.nsec, after.mtime.sec, after.mtime.nsec]).toEqual([100, 200, 300, 400]);
    // The guard's ctime is no longer the file's: NOT_SYNC, with the attributes as they are.
    const refused = await w.caller.nfs(2, new Words(w.handle("f")).then(set).then(guard));
    same(refused, new Words(10002).then(wcc(after, after)));
  });

  test("SETATTR refuses a size from 2^53 on, nanoseconds from 10^9 on", async () => {
    const w = await world();
    const f = w.inode("f");
    const size = new Words(w.handle("f"), 0, 0, 0, 1, 1n << 53n, 0, 0, 0);
    same(await w.caller.nfs(2, size), new Words(27).then(wcc(f, f)));
    const time = new Words(w.handle("f"), 0, 0, 0, 0, 2, 0, 1_000_000_000, 0, 0);
    same(await w.caller.nfs(2, time), new Words(22).then(wcc(f, f)));
    expect(w.fs.log).toEqual([]);
  });

  test("WRITE: stable or not, and the verifier", async () => {
    const w = await world();
    for (const [stable, committed] of [[0, 0], [1, 2], [2, 2]] as const) {
      const before = w.inode("f");
      const result = await w.caller.nfs(7, new Words(w.handle("f"), 8n, 5, stable, "ABCDE"));
      same(result, new Words(0).then(wcc(before, w.inode("f"))).then(new Words(5, committed)).raw(w.fs.writeVerifier));
    }
    expect(Buffer.from(w.fs.content.get(w.inode("f").id)!).toString()).toBe("01234567ABCDE");
  });

  test("WRITE: a count that is not the data's length, a range past 2^53 - 1, more than wtmax, a payload in pieces", async () => {
    const w = await world({ writeMax: 4096 });
    const f = w.inode("f");
    const args = (offset: bigint, count: number, data: string) => new Words(w.handle("f"), offset, count, 2, data);
    same(await w.caller.nfs(7, args(0n, 4, "12345")), new Words(22).then(wcc(f, f)));
    same(await w.caller.nfs(7, args(0n, 6, "12345")), new Words(22).then(wcc(f, f)));
    same(await w.caller.nfs(7, args((1n << 53n) - 1n, 1, "1")), new Words(27).then(wcc(f, f)));
    same(await w.caller.nfs(7, args(1n << 63n, 1, "1")), new Words(27).then(wcc(f, f)));
    expect(w.fs.log).toEqual([]);
    const long = "x".repeat(5000);
    const result = await w.caller.nfs(7, args(0n, 5000, long));
    same(result, new Words(0).then(wcc(f, w.inode("f"))).then(new Words(4096, 2)).raw(w.fs.writeVerifier));
    expect(w.inode("f").size).toBe(4096);
  });

  test("CREATE: unchecked, guarded, exclusive", async () => {
    const w = await world();
    const made = (name: string, before: Inode) =>
      new Words(0, 1, w.handle(name), 1).then(fattr3(w.inode(name), fsid)).then(wcc(before, w.inode("/")));
    let before = w.inode("/");
    same(await w.caller.nfs(8, new Words(w.root, "a", 0, 1, 0o600, 0, 0, 0, 0, 0)), made("a", before));
    expect(w.inode("a").mode).toBe(0o600);
    before = w.inode("/");
    same(await w.caller.nfs(8, new Words(w.root, "b", 1, ...unset)), made("b", before));
    before = w.inode("/");
    same(await w.caller.nfs(8, new Words(w.root, "b", 1, ...unset)), new Words(17).then(wcc(before, before)));
    same(await w.caller.nfs(8, new Words(w.root, "c", 2, 0x01020304_05060708n)), made("c", before));
    expect(hex(w.inode("c").createVerifier!)).toBe("0102030405060708");
  });

  test("MKDIR, SYMLINK", async () => {
    const w = await world();
    let before = w.inode("/");
    const made = (name: string) => new Words(0, 1, w.handle(name), 1).then(fattr3(w.inode(name), fsid)).then(wcc(before, w.inode("/")));
    same(await w.caller.nfs(9, new Words(w.root, "dd", 1, 0o700, 0, 0, 0, 0, 0)), made("dd"));
    before = w.inode("/");
    same(await w.caller.nfs(10, new Words(w.root, "ll", ...unset, "a/b\u00ff")), made("ll"));
    expect(Buffer.from(w.inode("ll").target!).toString()).toBe("a/b\u00ff");
    before = w.inode("/");
    same(await w.caller.nfs(10, new Words(w.root, "lx", ...unset, "t".repeat(4097))), new Words(63).then(wcc(before, before)));
    same(await w.caller.nfs(10, new Words(w.root, "lx", ...unset, "t\0")), new Words(22).then(wcc(before, before)));
  });

  test("MKNOD: each kind, and those there are none of", async () => {
    const w = await world();
    for (const [type, name, extra] of [[3, "blk", [8, 1]], [4, "chr", [5, 2]], [6, "sock", []], [7, "fifo", []]] as const) {
      const before = w.inode("/");
      const result = await w.caller.nfs(11, new Words(w.root, name, type, ...unset, ...extra));
      same(result, new Words(0, 1, w.handle(name), 1).then(fattr3(w.inode(name), fsid)).then(wcc(before, w.inode("/"))));
      expect([w.inode(name).type, w.inode(name).deviceMajor, w.inode(name).deviceMinor]).toEqual([type, extra[0] ?? 0, extra[1] ?? 0]);
    }
    const root = w.inode("/");
    for (const type of [1, 2, 5, 0, 8]) same(await w.caller.nfs(11, new Words(w.root, "n", type)), new Words(10007).then(wcc(root, root)));
  });

  test("REMOVE, RMDIR", async () => {
    const w = await world();
    let before = w.inode("/");
    same(await w.caller.nfs(12, new Words(w.root, "f")), new Words(0).then(wcc(before, w.inode("/"))));
    before = w.inode("/");
    same(await w.caller.nfs(12, new Words(w.root, "d")), new Words(21).then(wcc(before, before)));
    same(await w.caller.nfs(13, new Words(w.root, "d")), new Words(0).then(wcc(before, w.inode("/"))));
  });

  test("RENAME", async () => {
    const w = await world();
    const [root, d] = [w.inode("/"), w.inode("d")];
    const result = await w.caller.nfs(14, new Words(w.root, "f", w.handle("d"), "g"));
    same(result, new Words(0).then(wcc(root, w.inode("/"))).then(wcc(d, w.inode("d"))));
    const [root2, d2] = [w.inode("/"), w.inode("d")];
    same(await w.caller.nfs(14, new Words(w.root, "f", w.handle("d"), "g")), new Words(2).then(wcc(root2, root2)).then(wcc(d2, d2)));
  });

  test("LINK", async () => {
    const w = await world();
    const before = w.inode("d");
    const result = await w.caller.nfs(15, new Words(w.handle("f"), w.handle("d"), "g"));
    const f = w.fs.inodes.get(w.inode("f").id)!;
    same(result, new Words(0).then(postOp(f)).then(wcc(before, w.inode("d"))));
    const d = w.inode("d");
    same(await w.caller.nfs(15, new Words(w.handle("f"), w.handle("d"), "g")), new Words(17).then(postOp(f)).then(wcc(d, d)));
  });

  test("two handles of two shares: XDEV", async () => {
    const [one, two] = [new MemoryFileSystem("/one", 1), new MemoryFileSystem("/two", 2)];
    const caller = harness([one, two]).connect();
    const [a, b] = [one.handleOf(one.root()), two.handleOf(two.root())];
    const status = (result: Uint8Array) => new DataView(result.buffer, result.byteOffset).getUint32(0);
    expect(status(await caller.nfs(14, new Words(a, "x", b, "y")))).toBe(18);
    expect(status(await caller.nfs(15, new Words(a, b, "y")))).toBe(18);
  });

  test("COMMIT", async () => {
    const w = await world();
    const f = w.inode("f");
    const result = await w.caller.nfs(21, new Words(w.handle("f"), (1n << 64n) - 1n, 0xffffffff));
    same(result, new Words(0).then(wcc(f, f)).raw(w.fs.writeVerifier));
  });
});
