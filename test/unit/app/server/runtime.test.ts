import { afterEach, describe, expect, test } from "bun:test";
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Lifecycle } from "#app/process/lifecycle.ts";
import type { RuntimeOptions, ServerRuntime } from "#app/server/runtime.ts";
import { AccessLevel, noAccounts } from "#model/identity.ts";
import { NfsClient } from "../../../support/nfs-client.ts";
import { Stable, Status } from "../../../support/nfs-types.ts";
import { until } from "../../../support/wait.ts";
import { policyOf } from "../../../support/policy.ts";
import { desired, nfsPlan, runtimeOn, sharePlan, storePlan, temporary } from "../kit.ts";

const running: ServerRuntime[] = [];

afterEach(async () => {
  for (const runtime of running.splice(0)) {
    await runtime.stopAdapters(1000);
    await runtime.stopShares(5000);
  }
});

function fresh(flags: Readonly<Record<string, string>> = {}, dataDir = temporary(), identify?: RuntimeOptions["identify"]) {
  const made = { ...runtimeOn(dataDir, flags, identify), dataDir };
  running.push(made.runtime);
  return made;
}

async function clientOf(runtime: ServerRuntime, uid = 1000): Promise<NfsClient> {
  return await NfsClient.connect({ port: runtime.adapter("nfs").port ?? 0, credentials: { uid, gid: uid } });
}

async function write(client: NfsClient, share: string, name: string, text: string): Promise<void> {
  const root = await client.mount(share);
  const { handle } = await client.create(root, name, { mode: 0o644 });
  await client.write(handle, 0, new TextEncoder().encode(text), Stable.fileSync);
}

async function read(client: NfsClient, share: string, name: string): Promise<string> {
  const { handle } = await client.lookup(await client.mount(share), name);
  return (await client.readAll(handle)).toString();
}

const memoryShare = (name: string) => sharePlan(name, { metadata: storePlan("metadata", "memory", { name: "m" }), blocks: storePlan("block", "memory", { name: "b", config: { size: 2 ** 24 } }) });

describe("shares", () => {
  test("open, stay open, close; what they hold is there again", async () => {
    const { runtime } = fresh();
    expect(await runtime.reconcile(desired([sharePlan("/a")], [nfsPlan()]))).toEqual([]);
    expect(runtime.share("/a")).toMatchObject({ state: "serving", error: null });
    expect(runtime.adapter("nfs").running).toBe(false);
    expect(await runtime.serve()).toEqual([]);
    const client = await clientOf(runtime);
    await write(client, "/a", "file", "content");
    expect(await runtime.reconcile(desired([sharePlan("/a"), sharePlan("/b")], [nfsPlan()]))).toEqual([]);
    expect(await read(client, "/a", "file")).toBe("content");
    await write(client, "/b", "other", "in another");
    expect(await runtime.reconcile(desired([sharePlan("/b")], [nfsPlan()]))).toEqual([]);
    expect(runtime.share("/a")).toBeNull();
    expect(client.mount("/a")).rejects.toThrow();
    expect(await runtime.reconcile(desired([sharePlan("/a")], [nfsPlan()]))).toEqual([]);
    expect(await read(client, "/a", "file")).toBe("content");
    expect((await runtime.usage("/a"))?.files).toBe(2);
    client.close();
  });

  test("one whose tree another server noted first is closed before anybody is served from it, and tried again", async () => {
    const { runtime } = fresh();
    const noted = new Map([["id of /a", "0123456789abcdef"]]);
    const { runtime: other, dataDir } = fresh({}, temporary(), async (id, instance) => noted.get(id) ?? instance);
    const [failure] = await other.reconcile(desired([sharePlan("/a"), sharePlan("/b")], [nfsPlan()]));
    expect(failure).toMatchObject({ target: { name: "/a" }, reason: expect.stringMatching(/is another tree than the one in .*: the control plane knows it as 0123456789abcdef, and there is [0-9a-f]{16}/) });
    expect([other.share("/a")?.elsewhere, other.share("/b")?.state]).toEqual([true, "serving"]);
    await other.serve();
    const client = await clientOf(other);
    await expect(client.mount("/a")).rejects.toThrow();
    client.close();
    // Its own after all.
    noted.clear();
    expect(await other.reconcile(desired([sharePlan("/a"), sharePlan("/b")], [nfsPlan()]))).toEqual([]);
    expect(existsSync(join(dataDir, "shares/a/metadata.db"))).toBe(true);
    // Another server's from now on: it gives way.
    const [away] = await other.reconcile(desired([sharePlan("/a", { instance: "0123456789abcdef" })], [nfsPlan()]));
    expect(away?.reason).toContain("another tree");
    expect(runtime.share("/a")).toBeNull();
  });

  test("one that is known elsewhere, or not to be begun here, leaves nothing on the disk", async () => {
    const { runtime, dataDir } = fresh();
    const known = sharePlan("/known", { instance: "0123456789abcdef" });
    const made = sharePlan("/made", { mayBegin: false });
    const failures = await runtime.reconcile(desired([known, made, memoryShare("/memory")]));
    expect(failures.map(({ target, reason }) => [target.name, reason.slice(0, 60)])).toEqual([
      ["/known", "share /known has been in use, but its metadata is not here: "],
      ["/made", "share /made was made on another server of this control plane"],
    ]);
    expect([existsSync(join(dataDir, "shares/known")), existsSync(join(dataDir, "shares/made"))]).toEqual([false, false]);
    expect(runtime.share("/memory")).toMatchObject({ state: "serving" });
  });

  test("one that fails is a failure with its reason, tried again with the next run; the others are served", async () => {
    const { runtime, dataDir } = fresh();
    const file = join(dataDir, "not-a-directory");
    writeFileSync(file, "");
    const broken = sharePlan("/broken", { blocks: storePlan("block", "filesystem", { name: "x", config: { path: file } }) });
    const failures = await runtime.reconcile(desired([broken, sharePlan("/fine")]));
    expect(failures).toEqual([{ target: { type: "share", name: "/broken" }, reason: expect.stringContaining(file) }]);
    expect(runtime.share("/broken")).toMatchObject({ state: "failed", error: failures[0]?.reason ?? "" });
    expect(runtime.share("/fine")).toMatchObject({ state: "serving" });
    unlinkSync(file);
    expect(await runtime.reconcile(desired([broken, sharePlan("/fine")]))).toEqual([]);
    expect(runtime.share("/broken")).toMatchObject({ state: "serving" });
  });

  test("a policy and a durability are replaced while clients work, handles stay good", async () => {
    const { runtime } = fresh();
    await runtime.reconcile(desired([sharePlan("/a")], [nfsPlan()]));
    await runtime.serve();
    const client = await clientOf(runtime);
    const root = await client.mount("/a");
    const { handle } = await client.create(root, "f", { mode: 0o644 });
    const readOnly = sharePlan("/a", { durability: "writeback", policy: policyOf({ readOnly: true }) });
    await runtime.reconcile(desired([readOnly], [nfsPlan()]));
    await expect(client.write(handle, 0, new Uint8Array(1), Stable.unstable)).rejects.toThrow(/readOnly/);
    await runtime.reconcile(desired([sharePlan("/a", { policy: policyOf({ defaultPermission: AccessLevel.none }) })], [nfsPlan()]));
    await expect(client.lookup(root, "f")).rejects.toThrow(/access/);
    await runtime.reconcile(desired([sharePlan("/a")], [nfsPlan()]));
    await client.write(handle, 0, new Uint8Array(1), Stable.unstable);
    client.close();
  });

  test("a policy holds at once, even while a run is under way", async () => {
    const { runtime } = fresh();
    await runtime.reconcile(desired([memoryShare("/a")]));
    const opening = runtime.reconcile(desired([memoryShare("/a"), sharePlan("/slow")]));
    const policy = policyOf({ enabled: false });
    const after = runtime.reconcile(desired([{ ...memoryShare("/a"), policy }, sharePlan("/slow")]));
    expect(runtime.plans().find((plan) => plan.name === "/a")?.policy).toBe(policy);
    expect(await Promise.all([opening, after])).toEqual([[], []]);
    expect(runtime.plans().find((plan) => plan.name === "/a")?.policy).toBe(policy);
  });

  test("one whose stores are others now is closed and opened; its clients are told to come again meanwhile, and their handles stay good", async () => {
    const { runtime } = fresh();
    const blocks = storePlan("block", "filesystem", { name: "b", config: { path: temporary() } });
    await runtime.reconcile(desired([sharePlan("/a", { blocks })], [nfsPlan()]));
    await runtime.serve();
    const client = await clientOf(runtime);
    const root = await client.mount("/a");
    await client.create(root, "f", { mode: 0o644 });
    const reopened = runtime.reconcile(desired([sharePlan("/a", { blocks: { ...blocks, secrets: { key: "another" } } })], [nfsPlan()]));
    const statuses = new Set<number>();
    let open = false;
    void reopened.then(() => {
      open = true;
    });
    while (!open) {
      const status = await client.lookup(root, "f").then(() => 0, (error: { status?: number }) => error.status ?? -1);
      statuses.add(status);
    }
    expect(await reopened).toEqual([]);
    expect([...statuses].filter((status) => status !== 0)).toEqual([Status.jukebox]);
    await client.lookup(root, "f");
    client.close();
  });

  test("while one can't be opened, handles nobody here made are worth another try; else they are none", async () => {
    const { runtime, dataDir } = fresh();
    const path = join(dataDir, "file");
    await runtime.reconcile(desired([sharePlan("/a"), sharePlan("/b")], [nfsPlan()]));
    await runtime.serve();
    const client = await clientOf(runtime);
    const stranger = Buffer.from(await client.mount("/a"));
    stranger[6] = (stranger[6] ?? 0) ^ 1;
    await expect(client.getattr(stranger)).rejects.toThrow(/badHandle/);
    writeFileSync(path, "");
    const broken = sharePlan("/broken", { blocks: storePlan("block", "filesystem", { name: "x", config: { path } }) });
    await runtime.reconcile(desired([sharePlan("/a"), sharePlan("/b"), broken], [nfsPlan()]));
    await expect(client.getattr(stranger)).rejects.toThrow(/jukebox/);
    await runtime.reconcile(desired([sharePlan("/a"), sharePlan("/b")], [nfsPlan()]));
    await expect(client.getattr(stranger)).rejects.toThrow(/badHandle/);
    client.close();
  });

  test("those that came while a run was under way share the next", async () => {
    const { runtime } = fresh();
    const outcomes = await Promise.all([1, 2, 3, 4].map((count) => runtime.reconcile(desired(Array.from({ length: count }, (_, i) => memoryShare(`/s${i}`))))));
    expect(outcomes).toEqual([[], [], [], []]);
    expect(runtime.shareCount).toBe(4);
  });

  test("one that can't be closed in time is opened again, or purged, only when it is closed", async () => {
    const { runtime } = fresh({ "server.shutdown_timeout": "1s" });
    await runtime.reconcile(desired([sharePlan("/slow")]));
    const held = Promise.withResolvers<void>();
    const open = Reflect.get(runtime, "open") as ReadonlyMap<string, { readonly parts: Lifecycle }>;
    open.get("/slow")?.parts.started("a store that does not answer", () => held.promise);
    expect(await runtime.reconcile(desired([]))).toEqual([]);
    expect(runtime.share("/slow")).toMatchObject({ state: "failed", error: expect.stringContaining("still being closed") });
    await expect(runtime.purge(sharePlan("/slow"), [])).rejects.toMatchObject({ code: "in_use" });
    const again = sharePlan("/slow", { blocks: storePlan("block", "filesystem", { config: { path: temporary() } }) });
    expect((await runtime.reconcile(desired([again])))[0]?.reason).toContain("share /slow is still being closed");
    held.resolve();
    await until("it is served again", 5000, () => (runtime.share("/slow")?.state === "serving" ? true : null));
  });

  test("there are as many as can work: past that the next is refused and the others keep their part", async () => {
    const { runtime } = fresh({ "cache.size": "16MiB", "cache.dirty_limit": "8MiB", "cache.flush_size": "1MiB" });
    const shares = ["/a", "/b", "/c", "/d"].map(memoryShare);
    const failures = await runtime.reconcile(desired(shares));
    expect(failures).toHaveLength(1);
    expect(failures[0]).toMatchObject({ target: { type: "share", name: "/d" }, reason: expect.stringContaining("there is room for 3 shares") });
    expect(await runtime.reconcile(desired(shares.slice(1)))).toEqual([]);
  });
});

describe("NFS", () => {
  test("moves: the new port serves, the old one is free; where the new one can't be had the old one stays", async () => {
    const { runtime } = fresh();
    await runtime.reconcile(desired([memoryShare("/a")], [nfsPlan()]));
    await runtime.serve();
    const first = runtime.adapter("nfs").port ?? 0;
    const holder = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const failures = await runtime.reconcile(desired([memoryShare("/a")], [nfsPlan({ port: holder.port })]));
    expect(failures).toEqual([{ target: { type: "adapter", name: "nfs" }, reason: `nfs can't listen on 127.0.0.1 port ${holder.port}: another program listens there` }]);
    expect(runtime.adapter("nfs")).toMatchObject({ running: true, port: first, error: failures[0]?.reason });
    holder.stop(true);
    expect(await runtime.reconcile(desired([memoryShare("/a")], [nfsPlan({ port: holder.port })]))).toEqual([]);
    expect(runtime.adapter("nfs")).toMatchObject({ running: true, port: holder.port, error: null });
    const client = await clientOf(runtime);
    await client.mount("/a");
    expect(runtime.clients().find((each) => each.requests > 0)).toMatchObject({ protocol: "nfs", address: "127.0.0.1", shares: ["/a"] });
    expect(runtime.mounts()).toMatchObject([{ client: "127.0.0.1", share: "/a", path: "/a" }]);
    expect(runtime.disconnect(runtime.clients()[0]?.id ?? "")).toBe(true);
    expect(runtime.disconnect("nfs-999")).toBe(false);
    client.close();
    expect(await runtime.reconcile(desired([memoryShare("/a")], [nfsPlan({ enabled: false })]))).toEqual([]);
    expect(runtime.adapter("nfs").running).toBe(false);
    await expect(NfsClient.connect({ port: holder.port })).rejects.toThrow();
  });

  test("the log's level follows", async () => {
    const { runtime, levels } = fresh();
    await runtime.reconcile({ shares: [], adapters: [], accounts: noAccounts, logging: { level: "debug", slowMs: 0 } });
    expect(levels.at(-1)).toBe("debug");
  });
});

describe("purge", () => {
  const everything = (directory: string): readonly string[] => (existsSync(directory) ? readdirSync(directory, { recursive: true }).map(String).sort() : []);

  async function used(plan: ReturnType<typeof sharePlan>, dataDir = temporary()) {
    const made = fresh({}, dataDir);
    await made.runtime.reconcile(desired([plan, sharePlan("/stays")], [nfsPlan()]));
    await made.runtime.serve();
    const client = await clientOf(made.runtime);
    await write(client, plan.name, "file", "x".repeat(300_000));
    await write(client, "/stays", "file", "kept");
    client.close();
    return made;
  }

  test("removes all of a share, in the data directory and in stores with a path, and nothing else", async () => {
    const elsewhere = temporary();
    const dataDir = temporary();
    for (const plan of [sharePlan("/gone"), sharePlan("/gone", { metadata: storePlan("metadata", "sqlite", { name: "m", config: { path: join(elsewhere, "m") } }), blocks: storePlan("block", "filesystem", { name: "b", config: { path: join(elsewhere, "b") } }) }), sharePlan("/gone", { blocks: storePlan("block", "filesystem", { config: { path: join(elsewhere, "b"), history: true } }) })]) {
      const { runtime } = await used(plan, dataDir);
      await expect(runtime.purge(plan, [])).rejects.toMatchObject({ code: "in_use" });
      await runtime.reconcile(desired([sharePlan("/stays")], [nfsPlan()]));
      const bystander = join(dataDir, "shares/gone/somebody-else");
      writeFileSync(bystander, "");
      await runtime.purge(plan, []);
      expect(everything(join(dataDir, "shares/gone"))).toEqual(["somebody-else"]);
      expect(everything(elsewhere).filter((path) => !["m", "b"].includes(path))).toEqual([]);
      await runtime.purge(plan, []);
      const client = await clientOf(runtime);
      expect(await read(client, "/stays", "file")).toBe("kept");
      client.close();
      await runtime.stopAdapters(1000);
      await runtime.stopShares(5000);
    }
  });

  test("keeps the very directory an imported share was given, and whatever else lies in it", async () => {
    const place = temporary();
    const plan = sharePlan("/imported", { metadataPath: join(place, "m.db"), blocksPath: place });
    const { runtime } = await used(plan);
    writeFileSync(join(place, "thesis.txt"), "mine");
    await runtime.reconcile(desired([sharePlan("/stays")], [nfsPlan()]));
    await runtime.purge(plan, []);
    expect(everything(place)).toEqual(["thesis.txt"]);
  });

  test("is brought to its end by another, wherever it was cut off", async () => {
    const elsewhere = temporary();
    const plan = sharePlan("/cut", { metadata: storePlan("metadata", "sqlite", { name: "m", config: { path: join(elsewhere, "m") } }), blocks: storePlan("block", "filesystem", { name: "b", config: { path: join(elsewhere, "b") } }) });
    const blocks = join(elsewhere, "b/cut");
    const parts = ["objects", "staging", "temp"].map((part) => join(blocks, part));
    for (let done = 0; done <= parts.length + 1; done++) {
      const { runtime, dataDir } = await used(plan);
      await runtime.reconcile(desired([sharePlan("/stays")], [nfsPlan()]));
      for (const part of [...parts, join(dataDir, "shares/cut/log")].slice(0, done)) rmSync(part, { recursive: true });
      await runtime.purge(plan, []);
      expect([existsSync(blocks), existsSync(join(elsewhere, "m/cut")), existsSync(join(dataDir, "shares/cut"))]).toEqual([false, false, false]);
    }
  });

  test("leaves alone the content of a share that somebody else has by now", async () => {
    const place = temporary();
    const plan = sharePlan("/taken", { blocks: storePlan("block", "filesystem", { name: "b", config: { path: place, history: true } }) });
    const { runtime, dataDir } = await used(plan);
    await runtime.stopAdapters(1000);
    await runtime.stopShares(5000);
    const elsewhere = temporary();
    cpSync(dataDir, elsewhere, { recursive: true });
    const other = fresh({}, elsewhere);
    expect(await other.runtime.reconcile(desired([plan]))).toEqual([]);
    await other.runtime.stopShares(5000);
    const before = everything(place);
    await expect(runtime.purge(plan, [])).rejects.toMatchObject({ code: "conflict", message: expect.stringContaining("are not this server's to remove") });
    expect(everything(place)).toEqual(before);
    await other.runtime.purge(plan, []);
    expect(everything(place)).toEqual([]);
  });

  test("leaves alone a share that lies among its content, whatever way it came there", async () => {
    const place = temporary();
    const [outer, inner] = [storePlan("block", "filesystem", { name: "outer", config: { path: place } }), storePlan("block", "filesystem", { name: "inner", config: { path: join(place, "outer") } })];
    const plan = sharePlan("/outer", { blocks: outer });
    const guest = sharePlan("/objects", { blocks: inner });
    const { runtime } = await used(plan);
    expect(await runtime.reconcile(desired([sharePlan("/stays"), guest], [nfsPlan()]))).toEqual([]);
    const client = await clientOf(runtime);
    await write(client, "/objects", "file", "y".repeat(300_000));
    await runtime.drain(null);
    await expect(runtime.purge(plan, [guest])).rejects.toMatchObject({ code: "conflict", message: `share /outer and share /objects both lie in ${place}/outer/objects; nothing was removed` });
    // Even told of nobody else it takes what is its own.
    await runtime.purge(plan, []);
    await runtime.reconcile(desired([sharePlan("/stays")], [nfsPlan()]));
    expect(await runtime.reconcile(desired([sharePlan("/stays"), guest], [nfsPlan()]))).toEqual([]);
    expect(await read(client, "/objects", "file")).toBe("y".repeat(300_000));
    client.close();
  });

  test("of a share whose bucket was deleted takes the rest; while the bucket doesn't answer it is refused", async () => {
    let answer = () => new Response("<Error><Code>NoSuchBucket</Code></Error>", { status: 404 });
    const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => answer() });
    const blocks = storePlan("block", "s3", { name: "cloud", config: { bucket: "bucket", endpoint: `http://127.0.0.1:${server.port}`, access_key: "key" }, secrets: { secret_key: "secret" } });
    const plan = sharePlan("/cloud", { blocks });
    const { runtime, dataDir } = await used(plan);
    await runtime.reconcile(desired([sharePlan("/stays")], [nfsPlan()]));
    const there = answer;
    answer = () => new Response("<Error><Code>AccessDenied</Code></Error>", { status: 403 });
    await expect(runtime.purge(plan, [])).rejects.toMatchObject({ code: "store_unreachable" });
    expect(existsSync(join(dataDir, "shares/cloud"))).toBe(true);
    answer = there;
    await runtime.purge(plan, []);
    expect(existsSync(join(dataDir, "shares/cloud"))).toBe(false);
    await server.stop(true);
  }, 60_000);

  test("sees through symlinks that two shares lie in one place", async () => {
    const place = temporary();
    mkdirSync(join(place, "real"));
    symlinkSync(join(place, "real"), join(place, "link"));
    const one = sharePlan("/one", { blocksPath: join(place, "real/x") });
    const other = sharePlan("/other", { blocksPath: join(place, "link/x") });
    const { runtime } = fresh();
    expect((await runtime.reconcile(desired([one, other])))[0]?.reason).toContain(`share /other would lie in ${place}/real/x, where share /one lies`);
    await runtime.reconcile(desired([other]));
    await expect(runtime.purge(one, [other])).rejects.toMatchObject({ code: "conflict" });
  });

  test("takes nothing for removed that lies on a disk that is away", async () => {
    const disk = temporary();
    const on = (part: string) => ({ path: join(disk, part) });
    const plan = sharePlan("/gone", { metadata: storePlan("metadata", "sqlite", { name: "m", config: on("m") }), blocks: storePlan("block", "filesystem", { name: "b", config: on("b") }) });
    const { runtime } = await used(plan);
    await runtime.drain(null);
    await runtime.reconcile(desired([sharePlan("/stays")], [nfsPlan()]));
    renameSync(join(disk, "m"), join(disk, "away"));
    await expect(runtime.purge(plan, [])).rejects.toMatchObject({ code: "conflict", message: expect.stringContaining(`its metadata ${join(disk, "m/gone/metadata.db")} is not there; nothing was removed`) });
    expect((await runtime.reconcile(desired([sharePlan("/stays"), plan])))[0]?.reason).toContain("Mount the disk it lies on");
    expect(existsSync(join(disk, "m"))).toBe(false);
    renameSync(join(disk, "away"), join(disk, "m"));
    await runtime.reconcile(desired([sharePlan("/stays")], [nfsPlan()]));
    renameSync(join(disk, "b"), join(disk, "away"));
    await expect(runtime.purge(plan, [])).rejects.toMatchObject({ code: "conflict", message: expect.stringContaining(`there is no block store in ${join(disk, "b/gone")}`) });
    renameSync(join(disk, "away"), join(disk, "b"));
    await runtime.purge(plan, []);
    expect(everything(disk)).toEqual(["b", "m"]);
  });

  test("goes as far as it may where an operator put a part elsewhere, by a symlink", async () => {
    const [dataDir, elsewhere] = [temporary(), temporary()];
    mkdirSync(join(dataDir, "shares"));
    writeFileSync(join(dataDir, "FORMAT"), "dittofs data directory, layout 1\n");
    symlinkSync(elsewhere, join(dataDir, "shares/gone"));
    const plan = sharePlan("/gone");
    const { runtime } = await used(plan, dataDir);
    await runtime.reconcile(desired([sharePlan("/stays")], [nfsPlan()]));
    await runtime.purge(plan, []);
    expect(everything(elsewhere)).toEqual([]);
  });

  test("what an earlier share left is found as long as it is there, and nothing where none was served", async () => {
    const plan = sharePlan("/gone");
    const { runtime, dataDir } = await used(plan);
    expect(runtime.leftBehind(plan)).toBeNull();
    await runtime.reconcile(desired([sharePlan("/stays")], [nfsPlan()]));
    expect(runtime.leftBehind(plan)).toBe(join(dataDir, "shares/gone/metadata.db"));
    expect(runtime.leftBehind(memoryShare("/gone"))).toBeNull();
    await runtime.purge(plan, []);
    expect(runtime.leftBehind(plan)).toBeNull();
    const file = join(dataDir, "a-file");
    writeFileSync(file, "");
    const broken = sharePlan("/broken", { blocks: storePlan("block", "filesystem", { name: "x", config: { path: file } }) });
    expect(await runtime.reconcile(desired([sharePlan("/stays"), broken]))).toHaveLength(1);
    expect(existsSync(join(dataDir, "shares/broken/metadata.db"))).toBe(false);
    expect(runtime.leftBehind(broken)).toBeNull();
  });

  test("refuses blocks that are another share's", async () => {
    const place = temporary();
    const plan = sharePlan("/mine", { blocksPath: place });
    const { runtime } = await used(plan);
    await runtime.reconcile(desired([sharePlan("/stays")], [nfsPlan()]));
    const owner = readFileSync(join(place, "OWNER"), "utf8");
    writeFileSync(join(place, "OWNER"), "dittofs share 0123456789abcdef\n");
    await expect(runtime.purge(plan, [])).rejects.toThrow(/another share \(instance 0123456789abcdef\); nothing was removed/);
    expect(existsSync(join(place, "objects"))).toBe(true);
    writeFileSync(join(place, "OWNER"), owner);
    await runtime.purge(plan, []);
    expect(everything(place)).toEqual([]);
  });
});

describe("trying a store", () => {
  test("says that it works and leaves nothing, or why it doesn't", async () => {
    const { runtime, dataDir } = fresh();
    const at = (path: string) => storePlan("block", "filesystem", { name: "b", config: { path } });
    expect(await runtime.tryStore(at(join(dataDir, "new/deep")), true)).toMatchObject({ healthy: true, error: null, latencyMs: expect.any(Number) });
    expect(readdirSync(join(dataDir, "new/deep"))).toEqual([]);
    // Of a server that was killed while it tried, and of one that is trying.
    const [left, trying] = [".probe-0123456789abcdef", ".probe-fedcba9876543210"];
    for (const name of [left, trying, "probe-0"]) writeFileSync(join(dataDir, "new/deep", name), "");
    for (const name of [left, "probe-0"]) utimesSync(join(dataDir, "new/deep", name), 1, 1);
    expect(await runtime.tryStore(at(join(dataDir, "new/deep")), true)).toMatchObject({ healthy: true });
    expect(readdirSync(join(dataDir, "new/deep")).sort()).toEqual([trying, "probe-0"]);
    writeFileSync(join(dataDir, "file"), "");
    expect(await runtime.tryStore(at(join(dataDir, "file")), true)).toMatchObject({ healthy: false, error: expect.stringContaining("is a file, not a directory") });
    expect(await runtime.tryStore(at("/proc/nowhere"), true)).toMatchObject({ healthy: false, error: expect.stringContaining("/proc/nowhere") });
    expect(await runtime.tryStore(storePlan("metadata", "memory"), true)).toMatchObject({ healthy: true });
    expect(await runtime.tryStore(storePlan("metadata", "tape"), true)).toMatchObject({ healthy: false, error: expect.stringContaining("tape") });
    if (process.getuid?.() === 0) return;
    mkdirSync(join(dataDir, "closed"));
    chmodSync(join(dataDir, "closed"), 0o500);
    expect(await runtime.tryStore(at(join(dataDir, "closed")), true)).toMatchObject({ healthy: false, error: expect.stringContaining("may not write there") });
  });
});

test("a drain stores what was accepted and says how much", async () => {
  const { runtime } = fresh({ "cache.flush_age": "1h" });
  await runtime.reconcile(desired([sharePlan("/a"), sharePlan("/b")], [nfsPlan()]));
  await runtime.serve();
  const client = await clientOf(runtime);
  await write(client, "/a", "file", "12345");
  expect(runtime.share("/a")).toMatchObject({ dirtyBytes: 5 });
  expect([...(await runtime.drain("/a"))]).toEqual([["/a", 5]]);
  expect(runtime.share("/a")).toMatchObject({ dirtyBytes: 0, unstoredBytes: 0 });
  expect([...(await runtime.drain(null))]).toEqual([["/a", 0], ["/b", 0]]);
  client.close();
});
