import { expect, test } from "bun:test";
import { openKit, root } from "./kit.ts";
import { MemoryDatabase } from "./sessions/memory-database.ts";

const one = "0123456789abcdef";
const other = "fedcba9876543210";

test("what a server creates it may begin; what is noted of it goes into its plan without another version, and is noted once", async () => {
  const { shares, runtime, control, audit } = await openKit();
  const { version } = await shares.create(root, { name: "/x" });
  const { id } = runtime.plan("/x");
  expect(runtime.plan("/x")).toMatchObject({ instance: null, mayBegin: true });
  expect(await control.identify(id, one)).toBe(one);
  expect(control.desired().shares.find((plan) => plan.id === id)).toMatchObject({ instance: one, mayBegin: false });
  expect(shares.get("/x").version).toBe(version);
  expect(await control.identify(id, other)).toBe(one);
  const page = await audit.list({ action: "shares.identify", newestFirst: false, offset: 0, limit: 10 });
  expect(JSON.stringify(page)).toContain(one);
  expect(JSON.stringify(page)).not.toContain(other);
});

test("what another server creates is that one's to begin, until it is known or an operator says so", async () => {
  const database = new MemoryDatabase();
  const a = await openKit({ database });
  const b = await openKit({ database, seed: 2 });
  await a.shares.create(root, { name: "/x" });
  b.clock.pass(500);
  while (!b.control.desired().shares.some(({ name }) => name === "/x")) await new Promise((resolve) => setImmediate(resolve));
  const plan = () => b.control.desired().shares.find(({ name }) => name === "/x");
  expect(plan()).toMatchObject({ instance: null, mayBegin: false });
  b.runtime.failing.set("share /x", "it is another server's");
  await expect(b.shares.accept(root, "/x", null)).rejects.toMatchObject({ code: "store_unreachable" });
  b.runtime.failing.delete("share /x");
  await expect(b.shares.accept(root, "/x", null)).rejects.toMatchObject({ code: "conflict" });
});

test("a start may begin whatever nobody has begun", async () => {
  const database = new MemoryDatabase();
  const a = await openKit({ database });
  await a.shares.create(root, { name: "/x" });
  await a.shares.create(root, { name: "/y" });
  await a.control.identify(a.runtime.plan("/y").id, one);
  const b = await openKit({ database, seed: 2 });
  expect(b.runtime.desired.shares.map(({ name, instance, mayBegin }) => [name, instance, mayBegin])).toEqual([
    ["/x", null, true],
    ["/y", one, false],
  ]);
});

test("accepting forgets what was known, and only where the share isn't served; a share that is gone takes it along", async () => {
  const { shares, runtime, control } = await openKit();
  await shares.create(root, { name: "/x" });
  const { id } = runtime.plan("/x");
  await control.identify(id, one);
  await expect(shares.accept(root, "/x", null)).rejects.toMatchObject({ code: "conflict" });
  runtime.failing.set("share /x", "there is no such database");
  await shares.create(root, { name: "/other" });
  expect(shares.get("/x").name).toBe("/x");
  // As the server does, which then opens it.
  const reconcile = runtime.reconcile.bind(runtime);
  runtime.reconcile = (desired) => {
    if (desired.shares.find((plan) => plan.id === id)?.mayBegin === true) runtime.failing.clear();
    return reconcile(desired);
  };
  await shares.accept(root, "/x", null);
  expect(runtime.plan("/x")).toMatchObject({ instance: null, mayBegin: true });
  expect(await control.identify(id, other)).toBe(other);
  await shares.delete(root, "/x", { force: false, purge: true }, null);
  await shares.create(root, { name: "/x" });
  expect(runtime.plan("/x")).toMatchObject({ instance: null, mayBegin: true });
  await expect(control.identify(id, one)).rejects.toMatchObject({ code: "not_found" });
});

test("in memory a share is no tree that anybody knows: it is forgotten by the move there, and noted anew by the one back", async () => {
  const { shares, stores, runtime, control } = await openKit();
  await stores.create(root, "metadata", { name: "ram", type: "memory" });
  await stores.create(root, "metadata", { name: "other", type: "sqlite" });
  await shares.create(root, { name: "/x" });
  const { id } = runtime.plan("/x");
  const plan = () => control.desired().shares.find((each) => each.id === id);
  await control.identify(id, one);
  // What lasts stays the tree it is, wherever it goes.
  await shares.moved(root, "/x", { metadata: "other" });
  expect(plan()).toMatchObject({ instance: one, mayBegin: false });
  await shares.moved(root, "/x", { metadata: "ram", acceptVolatile: true });
  expect(plan()).toMatchObject({ instance: null, mayBegin: true });
  // After a restart of the server it is another.
  await shares.moved(root, "/x", { metadata: "default" });
  expect(await control.identify(id, other)).toBe(other);
  expect(plan()).toMatchObject({ instance: other, mayBegin: false });
});
