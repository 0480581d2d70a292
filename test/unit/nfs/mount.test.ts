import { describe, expect, test } from "bun:test";
import { Squash } from "#model/credentials.ts";
import { FsCode } from "#model/fs-error.ts";
import { MountList } from "#nfs/mount/index.ts";
import { superuser as root } from "../../support/policy.ts";
import { harness } from "./harness.ts";
import { MemoryFileSystem } from "./memory-file-system.ts";
import { Words } from "./words.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

async function world() {
  const [one, two] = [new MemoryFileSystem("/export", 1), new MemoryFileSystem("data", 2)];
  const a = await one.mkdir(root, one.root().id, "a", {});
  if (!("inode" in a)) throw new Error("not made");
  const b = await one.mkdir(root, a.inode.id, "b", {});
  await one.create(root, one.root().id, "file", { mode: "guarded", attributes: {} });
  if (!("inode" in b)) throw new Error("not made");
  const all = harness([one, two]);
  const mnt = async (path: string, caller = all.connect("10.0.0.9")) => hex(await caller.mount(1, new Words(path)));
  const mounted = (fs: MemoryFileSystem, inode = fs.root()) => hex(new Words(0, fs.handleOf(inode), 2, 1, 0).bytes());
  return { one, two, b: b.inode, all, mnt, mounted };
}
const status = (code: number) => hex(new Words(code).bytes());

describe("MOUNT version 3", () => {
  test("NULL", async () => {
    expect(hex(await (await world()).all.connect().mount(0))).toBe("");
  });

  test("MNT of a share by path and by name, with slashes more or less", async () => {
    const { one, two, mnt, mounted } = await world();
    for (const path of ["/export", "export", "/export/", "//export//", "/export/."]) expect(await mnt(path)).toBe(mounted(one));
    for (const path of ["/data", "data"]) expect(await mnt(path)).toBe(mounted(two));
  });

  test("MNT of a path below a share", async () => {
    const { one, b, mnt, mounted } = await world();
    expect(await mnt("/export/a/b")).toBe(mounted(one, b));
    expect(await mnt("/export/a/c")).toBe(status(2));
    expect(await mnt("/export/file")).toBe(status(20));
    expect(await mnt("/export/file/x")).toBe(status(20));
    expect(await mnt("/export/a/../a")).toBe(status(13));
    one.failNext = FsCode.access;
    expect(await mnt("/export/a")).toBe(status(13));
  });

  test("MNT of what there is not, too long a path, no path", async () => {
    const { mnt } = await world();
    for (const path of ["/", "", "/nope", "/exports"]) expect(await mnt(path)).toBe(status(2));
    expect(await mnt(`/${"x".repeat(1024)}`)).toBe(status(63));
    expect(await mnt("/a\0b")).toBe(status(22));
  });

  test("MNT by a client the share is not open to", async () => {
    const { one, mnt, mounted, two } = await world();
    one.setPolicy(one.policy.with({ allowedClients: ["10.0.0.8", "10.0.1.0/24"] }));
    expect(await mnt("/export")).toBe(status(13));
    expect(await mnt("/export/a/b")).toBe(status(13));
    expect(await mnt("/data")).toBe(mounted(two));
  });

  test("MNT walks with the caller's squashed credentials", async () => {
    const { one, mnt } = await world();
    one.setPolicy(one.policy.with({ squash: Squash.allToGuest }));
    const asked: number[] = [];
    const lookup = one.lookup.bind(one);
    one.lookup = (who, id, name) => (asked.push(who.uid), lookup(who, id, name));
    await mnt("/export/a");
    expect(asked).toEqual([65534]);
  });

  test("EXPORT lists what the caller may mount", async () => {
    const { one, all } = await world();
    const caller = all.connect("10.0.0.9");
    expect(hex(await caller.mount(5))).toBe(hex(new Words(1, "/export", 0, 1, "/data", 0, 0).bytes()));
    one.setPolicy(one.policy.with({ allowedClients: [] }));
    expect(hex(await all.connect("10.0.0.9").mount(5))).toBe(hex(new Words(1, "/data", 0, 0).bytes()));
  });

  test("DUMP, UMNT, UMNTALL", async () => {
    const { all, mnt } = await world();
    const [one, two] = [all.connect("10.0.0.1"), all.connect("10.0.0.2")];
    await mnt("/export", one);
    await mnt("/export", one);
    await mnt("/data", one);
    await mnt("/export", two);
    const dump = async () => hex(await one.mount(2));
    const lines = (...mounts: [string, string][]) => hex(mounts.reduce((w, m) => w.then(new Words(1, ...m)), new Words()).then(new Words(0)).bytes());
    expect(await dump()).toBe(lines(["10.0.0.1", "/export"], ["10.0.0.1", "/data"], ["10.0.0.2", "/export"]));
    expect(hex(await two.mount(3, new Words("/export")))).toBe("");
    expect(await dump()).toBe(lines(["10.0.0.1", "/export"], ["10.0.0.1", "/data"]));
    expect(hex(await two.mount(4))).toBe("");
    expect(await dump()).toBe(lines(["10.0.0.1", "/export"], ["10.0.0.1", "/data"]));
    await one.mount(4);
    expect(await dump()).toBe(lines());
  });

  test("the list says when a client was last there: when it mounted, or when a connection of it ended", () => {
    const clock = new ManualClock();
    const mounts = new MountList(2, clock);
    const at = () => mounts.seen().map(({ host, seenAt }) => [host, seenAt.sec]);
    const begun = clock.now().sec;
    mounts.add("one", "/a", "/export");
    mounts.add("two", "/a", "/export");
    clock.pass(10_000);
    mounts.left("two");
    mounts.left("nobody");
    expect(at()).toEqual([["one", begun], ["two", begun + 10]]);
    mounts.add("three", "/a", "/export");
    expect(at()).toEqual([["two", begun + 10], ["three", begun + 10]]);
    mounts.remove("two", "/a");
    clock.pass(10_000);
    mounts.left("two");
    mounts.add("two", "/b", "/export");
    expect(at()).toEqual([["three", begun + 10], ["two", begun + 20]]);
  });

  test("the list of mounts is bounded", () => {
    const mounts = new MountList(3, new ManualClock());
    for (let i = 0; i < 10; i++) mounts.add("host", `/${i}`, "/export");
    expect([...mounts.list()].map((mount) => mount.path)).toEqual(["/7", "/8", "/9"]);
  });
});
