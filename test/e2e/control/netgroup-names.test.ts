import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Admin } from "../../support/admin.ts";
import { NameServer } from "../../support/dns.ts";
import { NfsClient, NfsError, Stable, Status } from "../../support/nfs-client.ts";
import { Server, temporaryDirectory } from "../../support/server.ts";
import { until } from "../../support/wait.ts";

/** Host names of netgroups, by the system's own resolver: its hosts file and a name server of ours, in a mount namespace of the server's. */

/** Of this process alone: another run on this machine has its own. */
const resolverAddress = `127.77.${(process.pid >> 8) & 255}.${(process.pid & 255) || 1}`;
const canMount = process.getuid?.() === 0 && Bun.spawnSync(["unshare", "--mount", "true"]).exitCode === 0;
if (!canMount) console.log("host names: skipped, a mount namespace needs root");

const obeyedMsMax = 10_000;
const testMsMax = 180_000;

// Skips where nothing can be mounted: the reason is printed.
describe.skipIf(!canMount)("host names in netgroups", () => {
  const directory = temporaryDirectory("names");
  let names: NameServer;
  let server: Server;
  let admin: Admin;
  let probes = 0;

  beforeAll(async () => {
    names = await NameServer.start(resolverAddress);
    const files = { hosts: "127.0.0.1 localhost shared\n::1 localhost shared\n127.0.0.1 by-file.example # a comment\n::1\tBY-FILE6.example other\n", "resolv.conf": `nameserver ${resolverAddress}\noptions timeout:2 attempts:1\n`, "nsswitch.conf": "hosts: files dns\n" };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory.path, name), text);
    const mounts = Object.keys(files).map((name) => `mount --bind "$0/${name}" /etc/${name}`);
    const under = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", `${mounts.join("; ")}; exec "$@"`, directory.path];
    server = await Server.start({ dataDir: join(directory.path, "data"), port: 0, args: ["--bind", "::"], under });
    admin = await Admin.at(server);
    await admin.do("POST", "/api/v1/netgroups", { name: "lab" });
    await admin.do("POST", "/api/v1/shares", { name: "/x", default_permission: "read-write", allowed_clients: ["192.0.2.1"], netgroups: ["lab"] });
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
    names.stop();
    directory.remove();
  });

  const add = (value: string) => admin.do("POST", "/api/v1/netgroups/lab/members", { type: "hostname", value });
  const members = async () => (await admin.do("GET", "/api/v1/netgroups/lab")).members as { id: string; value: string; addresses: string[] }[];
  const remove = async (value: string) => {
    const member = (await members()).find((one) => one.value === value);
    await admin.do("DELETE", `/api/v1/netgroups/lab/members/${member?.id}`);
  };
  /** Every name is asked for again when one is added. */
  const askAgain = async (name: string) => {
    const times = () => names.asked.filter((question) => question.startsWith(name)).length;
    const before = times();
    const value = `probe-${++probes}.example`;
    await add(value);
    await until(`the next question for ${name}`, obeyedMsMax, () => (times() > before ? true : null));
    await remove(value);
  };

  async function getsIn(host: string): Promise<boolean> {
    const client = await NfsClient.connect({ host, port: server.port, credentials: { uid: 1000, gid: 1000 } });
    try {
      await client.getattr(await client.mount("/x"));
      return true;
    } catch (error) {
      if (error instanceof NfsError && error.status === Status.access) return false;
      throw error;
    } finally {
      client.close();
    }
  }
  const becomes = (host: string, wanted: boolean) => until(`${host} ${wanted ? "gets in" : "is kept out"}`, obeyedMsMax, async () => ((await getsIn(host)) === wanted ? true : null));

  test("of the hosts file, IPv4 and IPv6", async () => {
    expect([await getsIn("127.0.0.1"), await getsIn("::1")]).toEqual([false, false]);
    await add("by-file.example");
    await becomes("127.0.0.1", true);
    expect(await getsIn("::1")).toBe(false);
    await add("by-file6.example");
    await becomes("::1", true);
    await remove("by-file.example");
    await becomes("127.0.0.1", false);
    await remove("by-file6.example");
    await becomes("::1", false);
  }, testMsMax);

  test("of DNS, IPv4 and IPv6, and under a mounted client when the address is another", async () => {
    names.answers.set("client.example", { a: ["127.0.0.1"], aaaa: ["::1"] });
    await add("client.example");
    await becomes("127.0.0.1", true);
    expect(await getsIn("::1")).toBe(true);
    expect(names.asked).toContain("client.example A");
    expect(names.asked).toContain("client.example AAAA");
    const mounted = await NfsClient.connect({ host: "127.0.0.1", port: server.port, credentials: { uid: 1000, gid: 1000 } });
    const root = await mounted.mount("/x");
    names.answers.set("client.example", { a: ["192.0.2.9"], aaaa: ["::1"] });
    await askAgain("client.example");
    await until("the mounted client is kept out", obeyedMsMax, async () => mounted.getattr(root).then(() => null, () => true));
    expect(await getsIn("::1")).toBe(true);
    expect((await members()).find((one) => one.value === "client.example")?.addresses).toEqual(["192.0.2.9", "::1"]);
    mounted.close();
    await remove("client.example");
    await becomes("::1", false);
  }, testMsMax);

  test("that fail keep their last addresses meanwhile; one that never had any lets nobody in", async () => {
    names.answers.set("shaky.example", { a: ["127.0.0.1"] });
    await add("shaky.example");
    await becomes("127.0.0.1", true);
    for (const failure of ["servfail", null, "silent"] as const) {
      if (failure === null) names.answers.delete("shaky.example");
      else names.answers.set("shaky.example", failure);
      await askAgain("shaky.example");
      expect(await getsIn("127.0.0.1")).toBe(true);
    }
    await server.printed(/"host":"shaky\.example"[^\n]*does not resolve; the last answer is kept|does not resolve; the last answer is kept[^\n]*shaky\.example/);
    await remove("shaky.example");
    await becomes("127.0.0.1", false);
    await add("never.example");
    await askAgain("never.example");
    expect([await getsIn("127.0.0.1"), await getsIn("::1")]).toEqual([false, false]);
    await remove("never.example");
  }, testMsMax);

  test("are not asked for by requests: a resolver that is silent holds nobody up", async () => {
    names.answers.set("steady.example", { aaaa: ["::1"] });
    await add("steady.example");
    await becomes("::1", true);
    const client = await NfsClient.connect({ host: "::1", port: server.port, credentials: { uid: 1000, gid: 1000 } });
    const root = await client.mount("/x");
    // Those that need a thread of their own, to sync what was written, as well.
    const slowestMs = async (files: string): Promise<number> => {
      let slowest = 0;
      for (let i = 0; i < 20; i++) {
        const begun = performance.now();
        const { handle } = await client.create(root, `${files}-${i}`, { mode: 0o644 });
        await client.write(handle, 0, new TextEncoder().encode("content"), Stable.fileSync);
        slowest = Math.max(slowest, performance.now() - begun);
      }
      return slowest;
    };
    const usualMs = await slowestMs("before");
    let round = 0;
    // A machine that is busy may hold one of them up; a resolver that did would each time.
    await until("nobody to be held up", obeyedMsMax, async () => {
      round++;
      // More of them than questions are asked at once, and than the machine has processors.
      const slow = Array.from({ length: 12 }, (_, i) => `slow-${round}-${i}.example`);
      for (const name of slow) names.answers.set(name, "silent");
      for (const name of slow) await add(name);
      await until("the questions", obeyedMsMax, () => (names.asked.filter((question) => question.startsWith(`slow-${round}-`)).length >= 8 ? true : null));
      const slowest = await slowestMs(`during-${round}`);
      expect(await getsIn("127.0.0.1")).toBe(false);
      for (const name of slow) await remove(name);
      return slowest < 1000 + 2 * usualMs ? true : null;
    });
    client.close();
  }, testMsMax);
});
