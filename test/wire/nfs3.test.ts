import { describe, expect, test } from "bun:test";
import type { FileId } from "#model/ids.ts";
import type { SharePolicyFields } from "#vfs/access/policy.ts";
import { fhBytesMax } from "#wire/nfs3.ts";
import { everywhere } from "../support/policy.ts";
import { Words } from "../unit/nfs/words.ts";
import { fattr3, fsid, hex, postOp, same, unset, world } from "./nfs3-world.ts";

describe("NFS version 3: what changes nothing", () => {
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

  const closed: readonly (readonly [string, Partial<SharePolicyFields>])[] = [
    ["is not open to the client", { allowedClients: ["10.0.0.1"] }],
    ["is disabled", { enabled: false }],
    ["is not offered over NFS", { protocols: { nfs: false, smb: true } }],
  ];
  test.each(closed)("a share that %s: ACCES and no attributes, in each procedure's own shape", async (_, changes) => {
    const w = await world();
    const before = await w.caller.nfs(1, new Words(w.root));
    expect(hex(before.slice(0, 4))).toBe("00000000");
    const policy = w.fs.policy.with(changes);
    const admits = policy.admits.bind(policy);
    let asked = 0;
    policy.admits = (protocol, address) => (asked++, admits(protocol, address));
    w.fs.setPolicy(policy);
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
    // Worked out once a client and policy, not once a call.
    expect(asked).toBe(1);
    w.fs.setPolicy(w.fs.policy.with({ enabled: true, protocols: { nfs: true, smb: true }, allowedClients: everywhere }));
    expect(hex(await w.caller.nfs(1, new Words(root)))).toBe(hex(before));
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
