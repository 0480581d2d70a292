import { describe, expect, test } from "bun:test";
import type { Inode } from "#model/inode.ts";
import type { FileId } from "#model/ids.ts";
import { fhBytesMax } from "#wire/nfs3.ts";
import { type Caller, harness } from "../unit/nfs/harness.ts";
import { MemoryFileSystem } from "../unit/nfs/memory-file-system.ts";
import { Words } from "../unit/nfs/words.ts";

/**
 * Each procedure's arguments and results as RFC 1813 §3.3 declares them, written out field by field; `Words` knows nothing of
 * the code under test.
 */
const unset = [0, 0, 0, 0, 0, 0] as const;

/** fattr3 (§2.6). */
function fattr3(inode: Inode, fsid: bigint): Words {
  return new Words(
    inode.type, inode.mode, inode.links, inode.uid, inode.gid, BigInt(inode.size), BigInt(inode.used),
    inode.deviceMajor, inode.deviceMinor, fsid, BigInt(inode.id),
    inode.atime.sec, inode.atime.nsec, inode.mtime.sec, inode.mtime.nsec, inode.ctime.sec, inode.ctime.nsec,
  );
}
const fsid = Bun.hash.xxHash64("/export");
const postOp = (inode: Inode) => new Words(1).then(fattr3(inode, fsid));
const wccAttr = (i: Inode) => new Words(1, BigInt(i.size), i.mtime.sec, i.mtime.nsec, i.ctime.sec, i.ctime.nsec);
const wcc = (before: Inode, after: Inode) => wccAttr(before).then(postOp(after));

interface World {
  readonly fs: MemoryFileSystem;
  readonly caller: Caller;
  readonly root: Uint8Array;
  inode(name: string): Inode;
  handle(name: string): Uint8Array;
}

/** A share with a directory "d", a file "f" of 10 bytes and a link "l". */
async function world(options: { readMax?: number; writeMax?: number } = {}): Promise<World> {
  const fs = new MemoryFileSystem("/export");
  const who = { uid: 0, gid: 0, groups: [], superuser: true };
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

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
function same(result: Uint8Array, expected: Words): void {
  expect(hex(result)).toBe(hex(expected.bytes()));
}

describe("NFS version 3", () => {
  test("NULL", async () => {
    same(await (await world()).caller.nfs(0, new Words()), new Words());
  });

  test("GETATTR", async () => {
    const w = await world();
    same(await w.caller.nfs(1, new Words(w.handle("f"))), new Words(0).then(fattr3(w.inode("f"), fsid)));
    same(await w.caller.nfs(1, new Words(new Uint8Array(44))), new Words(10001));
    same(await w.caller.nfs(1, new Words("")), new Words(10001));
  });

  test("GETATTR of a file that is gone: STALE", async () => {
    const w = await world();
    const handle = w.handle("f");
    await w.caller.nfs(12, new Words(w.root, "f"));
    same(await w.caller.nfs(1, new Words(handle)), new Words(70));
  });

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

  test("LOOKUP", async () => {
    const w = await world();
    const found = new Words(0, w.handle("f")).then(postOp(w.inode("f"))).then(postOp(w.inode("/")));
    same(await w.caller.nfs(3, new Words(w.root, "f")), found);
    same(await w.caller.nfs(3, new Words(w.root, "g")), new Words(2).then(postOp(w.inode("/"))));
  });

  test("names: 255 bytes and 256, not UTF-8, with a slash, with NUL", async () => {
    const w = await world();
    const refused = async (name: string | Uint8Array, status: number) =>
      same(await w.caller.nfs(3, new Words(w.root, name)), new Words(status).then(postOp(w.inode("/"))));
    await refused("x".repeat(255), 2);
    await refused("x".repeat(256), 63);
    await refused("ü".repeat(127) + "xy", 63);
    await refused(Uint8Array.of(0xff, 0xfe), 22);
    // A surrogate written as UTF-8 is none; an overlong "/" neither.
    await refused(Uint8Array.of(0xed, 0xa0, 0x80), 22);
    await refused(Uint8Array.of(0xc0, 0xaf), 22);
    await refused("a/b", 22);
    await refused("a\0b", 22);
    await refused("\ufeffbom", 2);
  });

  test("ACCESS", async () => {
    const w = await world();
    same(await w.caller.nfs(4, new Words(w.handle("f"), 0x1f)), new Words(0).then(postOp(w.inode("f"))).then(new Words(0x1f)));
    // Bits that the RFC does not define are not granted.
    same(await w.caller.nfs(4, new Words(w.handle("f"), 0xffffffff)), new Words(0).then(postOp(w.inode("f"))).then(new Words(0x3f)));
  });

  test("READLINK", async () => {
    const w = await world();
    same(await w.caller.nfs(5, new Words(w.handle("l"))), new Words(0).then(postOp(w.inode("l"))).then(new Words("target")));
    same(await w.caller.nfs(5, new Words(w.handle("f"))), new Words(22).then(postOp(w.inode("f"))));
  });

  test("READ", async () => {
    const w = await world({ readMax: 4096 });
    const read = (offset: bigint, count: number) => w.caller.nfs(6, new Words(w.handle("f"), offset, count));
    const head = new Words(0).then(postOp(w.inode("f")));
    same(await read(2n, 3), head.then(new Words(3, 0, "234")));
    same(await read(5n, 100), head.then(new Words(5, 1, "56789")));
    same(await read(10n, 1), head.then(new Words(0, 1, "")));
    // Past every file's end, whatever the number; the file system sees none it can't hold.
    const asked: number[] = [];
    const readNow = w.fs.read.bind(w.fs);
    w.fs.read = (who, id, offset, length) => (asked.push(offset, offset + length), readNow(who, id, offset, length));
    for (const offset of [1n << 53n, 1n << 63n, (1n << 64n) - 1n]) same(await read(offset, 0xffffffff), head.then(new Words(0, 1, "")));
    expect(asked.every((number) => Number.isSafeInteger(number))).toBe(true);
    expect(w.fs.borrowed).toBe(0);
    expect(w.fs.released).toBe(6);
  });

  test("READ gives no more than rtmax, from slices that are copied and slices that are not", async () => {
    for (const [readMax, piece] of [[8192, 1000], [65_536, 1000], [65_536, 65_536], [8191, 4096], [65_535, 4096]] as const) {
      const w = await world({ readMax });
      w.fs.readPiece = piece;
      const data = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i * 7));
      await w.caller.nfs(7, new Words(w.handle("f"), 0n, data.length, 0, data));
      const head = new Words(0).then(postOp(w.inode("f")));
      const result = await w.caller.nfs(6, new Words(w.handle("f"), 0n, 0xffffffff));
      same(result, head.then(new Words(readMax, 0, data.subarray(0, readMax))));
      expect(w.fs.borrowed).toBe(0);
    }
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

  test("READDIR", async () => {
    const w = await world();
    const result = await w.caller.nfs(16, new Words(w.root, 0n, 0n, 4096));
    let expected = new Words(0).then(postOp(w.inode("/"))).raw(new Uint8Array(8).fill(9));
    expected = expected.then(new Words(1, 1n, ".", 1n, 1, 1n, "..", 2n));
    for (const [name, entry] of w.fs.names.get(1)!) expected = expected.then(new Words(1, BigInt(entry.id), name, BigInt(entry.cookie)));
    same(result, expected.then(new Words(0, 1)));
    same(await w.caller.nfs(16, new Words(w.root, 1n << 53n, 0n, 4096)), new Words(10003).then(postOp(w.inode("/"))));
  });

  test("READDIR and READDIRPLUS fill count to the byte, and go on at the cookie", async () => {
    const w = await world();
    for (let i = 0; i < 20; i++) await w.caller.nfs(8, new Words(w.root, "n".repeat(i + 1), 0, ...unset));
    const whole = await w.caller.nfs(16, new Words(w.root, 0n, 0n, 65_536));
    // READDIR3resok is what follows the status.
    const size = whole.length - 4;
    same(await w.caller.nfs(16, new Words(w.root, 0n, 0n, size)), new Words().raw(whole));
    const short = await w.caller.nfs(16, new Words(w.root, 0n, 0n, size - 1));
    expect(short.length).toBeLessThan(whole.length);
    expect(hex(short.slice(-8))).toBe("0000000000000000");
    const plus = await w.caller.nfs(17, new Words(w.root, 0n, 0n, 65_536, 65_536));
    same(await w.caller.nfs(17, new Words(w.root, 0n, 0n, 65_536, plus.length - 4)), new Words().raw(plus));
    expect((await w.caller.nfs(17, new Words(w.root, 0n, 0n, 65_536, plus.length - 5))).length).toBeLessThan(plus.length);
    // dircount bounds the entries without attributes and handles: what READDIR's reply has between its fixed parts.
    const directory = size - (88 + 8 + 4 + 4);
    same(await w.caller.nfs(17, new Words(w.root, 0n, 0n, directory, 65_536)), new Words().raw(plus));
    expect((await w.caller.nfs(17, new Words(w.root, 0n, 0n, directory - 1, 65_536))).length).toBeLessThan(plus.length);
  });

  test("READDIR and READDIRPLUS with no room for an entry: TOOSMALL", async () => {
    const w = await world();
    const refused = new Words(10005).then(postOp(w.inode("/")));
    const fixed = 88 + 8 + 4 + 4;
    const dot = 4 + 8 + 4 + 4 + 8;
    for (const count of [0, 100, fixed + dot - 1]) same(await w.caller.nfs(16, new Words(w.root, 0n, 0n, count)), refused);
    expect((await w.caller.nfs(16, new Words(w.root, 0n, 0n, fixed + dot))).length).toBe(4 + fixed + dot);
    const plus = 88 + 4 + 4 + 44;
    same(await w.caller.nfs(17, new Words(w.root, 0n, 0n, 4096, fixed + dot + plus - 1)), refused);
    same(await w.caller.nfs(17, new Words(w.root, 0n, 0n, dot - 1, 4096)), refused);
    expect((await w.caller.nfs(17, new Words(w.root, 0n, 0n, dot, 4096))).length).toBe(4 + fixed + dot + plus);
  });

  test("READDIRPLUS", async () => {
    const w = await world();
    const result = await w.caller.nfs(17, new Words(w.root, 2n, 0n, 4096, 4096));
    let expected = new Words(0).then(postOp(w.inode("/"))).raw(new Uint8Array(8).fill(9));
    for (const [name, entry] of w.fs.names.get(1)!) {
      expected = expected
        .then(new Words(1, BigInt(entry.id), name, BigInt(entry.cookie)))
        .then(postOp(w.inode(name)))
        .then(new Words(1, w.handle(name)));
    }
    same(result, expected.then(new Words(0, 1)));
  });

  test("FSSTAT", async () => {
    const w = await world();
    const figures = new Words(1n << 40n, 1n << 39n, 1n << 38n, 1n << 20n, 1n << 19n, 1n << 19n, 0);
    same(await w.caller.nfs(18, new Words(w.root)), new Words(0).then(postOp(w.inode("/"))).then(figures));
  });

  test("FSINFO", async () => {
    const w = await world({ readMax: 2 ** 21, writeMax: 2 ** 22 });
    const [r, wr] = [2 ** 21, 2 ** 22];
    const info = new Words(r, r, 4096, wr, wr, 4096, 65_536, (1n << 53n) - 1n, 0, 1, 0x1b);
    same(await w.caller.nfs(19, new Words(w.root)), new Words(0).then(postOp(w.inode("/"))).then(info));
  });

  test("PATHCONF", async () => {
    const w = await world();
    same(await w.caller.nfs(20, new Words(w.root)), new Words(0).then(postOp(w.inode("/"))).then(new Words(32_000, 255, 1, 1, 0, 1)));
  });

  test("COMMIT", async () => {
    const w = await world();
    const f = w.inode("f");
    const result = await w.caller.nfs(21, new Words(w.handle("f"), (1n << 64n) - 1n, 0xffffffff));
    same(result, new Words(0).then(wcc(f, f)).raw(w.fs.writeVerifier));
  });

  test("a share that is not open to the client: ACCES and no attributes, in each procedure's own shape", async () => {
    const w = await world();
    w.fs.allows = () => false;
    const absent = { none: 4, attributes: 8, wcc: 12, attributesWcc: 16, wccWcc: 20 };
    const root = w.root;
    const calls: readonly (readonly [number, Words, number])[] = [
      [1, new Words(root), absent.none],
      [2, new Words(root, ...unset, 0), absent.wcc],
      [3, new Words(root, "f"), absent.attributes],
      [4, new Words(root, 1), absent.attributes],
      [5, new Words(root), absent.attributes],
      [6, new Words(root, 0n, 1), absent.attributes],
      [7, new Words(root, 0n, 1, 0, "x"), absent.wcc],
      [8, new Words(root, "x", 0, ...unset), absent.wcc],
      [9, new Words(root, "x", ...unset), absent.wcc],
      [10, new Words(root, "x", ...unset, "t"), absent.wcc],
      [11, new Words(root, "x", 7, ...unset), absent.wcc],
      [12, new Words(root, "x"), absent.wcc],
      [13, new Words(root, "x"), absent.wcc],
      [14, new Words(root, "x", root, "y"), absent.wccWcc],
      [15, new Words(root, root, "y"), absent.attributesWcc],
      [16, new Words(root, 0n, 0n, 4096), absent.attributes],
      [17, new Words(root, 0n, 0n, 4096, 4096), absent.attributes],
      [18, new Words(root), absent.attributes],
      [19, new Words(root), absent.attributes],
      [20, new Words(root), absent.attributes],
      [21, new Words(root, 0n, 0), absent.wcc],
    ];
    for (const [procedure, args, length] of calls) {
      const result = await w.caller.nfs(procedure, args);
      expect({ procedure, result: hex(result) }).toEqual({ procedure, result: hex(new Words(13).raw(new Uint8Array(length - 4)).bytes()) });
    }
    expect(w.fs.log).toEqual([]);
    expect(w.fs.allowsAsked).toBe(1);
  });

  test("times before 1970 and after 2106 are shown as the nearest the protocol has", async () => {
    const w = await world();
    const { Time } = await import("#base/time.ts");
    const id = w.inode("f").id as FileId;
    w.fs.inodes.set(id, w.inode("f").with({ mtime: new Time(-5, 0), atime: new Time(2 ** 33, 1) }));
    const result = await w.caller.nfs(1, new Words(w.handle("f")));
    expect(hex(result.slice(4 + 60, 4 + 76))).toBe("ffffffff00000001" + "0000000000000000");
  });

  test("handles longer than the protocol's are garbage", async () => {
    const w = await world();
    await expect(w.caller.nfs(1, new Words(new Uint8Array(fhBytesMax + 1)))).rejects.toThrow("00000004");
  });
});
