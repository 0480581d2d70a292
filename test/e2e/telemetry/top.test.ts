import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { spawnSync } from "bun";
import { systemClock } from "#base/clock.ts";
import { createClient, memoryTokens } from "#api/client/index.ts";
import { contract, type Reply } from "#api/contract/index.ts";
import { Admin } from "../../support/admin.ts";
import { type Handle, NfsClient, Stable } from "../../support/nfs-client.ts";
import { Pty } from "../../support/pty.ts";
import { binaryPath, freePort, Server, temporaryDirectory } from "../../support/server.ts";
import { SmbClient } from "../../support/smb-client.ts";
import { SmbFiles } from "../../support/smb-requests.ts";
import { until, within } from "../../support/wait.ts";

/** What is seen of the compiled server while it works: as JSON, as a stream, and at a terminal. */

setDefaultTimeout(180_000);

type Stats = Reply<typeof contract.system.stats>;

const password = "the password of alice";
const directory = temporaryDirectory("top");
let server: Server;
let admin: Admin;
let nfs: NfsClient;
let root: Handle;
let file: Handle;
/** What the command line needs to find the server. */
let environment: Record<string, string>;

beforeAll(async () => {
  server = await Server.start({ dataDir: join(directory.path, "data"), port: 0 });
  admin = await Admin.at(server);
  await admin.do("POST", "/api/v1/users", { username: "alice", password, uid: 1000 });
  await admin.do("PUT", "/api/v1/shares/export/permissions/users/alice", { level: "read-write" });
  nfs = await NfsClient.connect({ port: server.port, credentials: { uid: 0, gid: 0 } });
  root = await nfs.mount("/export");
  file = (await nfs.create(root, "file", { mode: 0o666 })).handle as Handle;
  nfs.credentials = { uid: 1000, gid: 1000 };
  environment = { DITTOFS_SERVER: server.apiUrl, DITTOFS_TOKEN: admin.token, XDG_CONFIG_HOME: directory.path };
});

afterAll(async () => {
  nfs?.close();
  await server?.stop();
  directory.remove();
});

const follow = (token = admin.token) => createClient({ baseUrl: server.apiUrl, timeoutMs: 40_000, clock: systemClock, tokens: memoryTokens({ accessToken: token, refreshToken: null }) }).follow(contract.system.stats);

async function next(stream: AsyncGenerator<Stats>): Promise<Stats> {
  const { value } = await within("the next figures", 10_000, stream.next());
  return value as Stats;
}

/** Adds up what comes until `enough` of it came. Rates times their interval are numbers again. */
async function addUp(stream: AsyncGenerator<Stats>, enough: (sums: ReadonlyMap<string, number>) => boolean): Promise<ReadonlyMap<string, number>> {
  const sums = new Map<string, number>();
  const add = (key: string, rate: number, stats: Stats) => sums.set(key, (sums.get(key) ?? 0) + (rate * stats.interval_ms) / 1000);
  while (!enough(sums)) {
    const stats = await next(stream);
    for (const { protocol, name, operations, failures, read_bytes, written_bytes } of stats.procedures) {
      add(`${protocol} ${name}`, operations, stats);
      add(`${protocol} ${name} failed`, failures, stats);
      add("read", read_bytes, stats);
      add("written", written_bytes, stats);
    }
    for (const { name, operations } of stats.shares) add(`share ${name}`, operations, stats);
    for (const { user, protocol, requests } of stats.clients) add(`${protocol} client ${user}`, requests, stats);
  }
  return sums;
}

const near = (value: number | undefined, exact: number) => expect(Math.abs((value ?? 0) - exact) / exact).toBeLessThan(0.01);

describe("figures", () => {
  test("of a stream add up to the load there was", async () => {
    const stream = follow();
    await next(stream);
    for (let i = 0; i < 300; i++) await nfs.getattr(root);
    for (let i = 0; i < 20; i++) await nfs.write(file, i * 5000, Buffer.alloc(5000, 7), Stable.unstable);
    await nfs.commit(file, 0, 0);
    for (let i = 0; i < 10; i++) await nfs.read(file, 0, 4000);
    for (let i = 0; i < 5; i++) await expect(nfs.lookup(root, "nobody")).rejects.toThrow();
    const sums = await addUp(stream, (so) => (so.get("nfs LOOKUP") ?? 0) > 4.9);
    await stream.return(undefined);
    near(sums.get("nfs GETATTR"), 300);
    near(sums.get("nfs WRITE"), 20);
    near(sums.get("nfs READ"), 10);
    near(sums.get("nfs LOOKUP failed"), 5);
    near(sums.get("written"), 100_000);
    near(sums.get("read"), 40_000);
    near(sums.get("share /export"), 336);
    near(sums.get("nfs client alice"), 336);
  });

  test("name who uses SMB, with latencies and what waits to be stored", async () => {
    const smb = await SmbClient.open(server.smbPort);
    await smb.negotiate();
    expect((await smb.login("alice", password)).status).toBe(0);
    const files = await SmbFiles.of(smb);
    const { fileId } = await files.create({ name: "file-of-smb", disposition: 3 });
    const stream = follow();
    await next(stream);
    for (let i = 0; i < 50; i++) expect(await files.write(fileId, 0, Buffer.alloc(100, 1))).toBe(0);
    await nfs.write(file, 0, Buffer.alloc(300_000, 1), Stable.unstable);
    let found: Stats | null = null;
    while (found === null) {
      const stats = await next(stream);
      if (stats.procedures.some(({ protocol, name }) => protocol === "smb" && name === "WRITE")) found = stats;
    }
    await stream.return(undefined);
    expect(found.clients).toContainEqual(expect.objectContaining({ protocol: "smb", address: "127.0.0.1", user: "alice", shares: ["/export"] }));
    const { latency_ms: took } = found.procedures.find(({ protocol, name }) => protocol === "smb" && name === "WRITE") as Stats["procedures"][number];
    expect(took?.p50).toBeGreaterThan(0);
    expect(took?.p99).toBeGreaterThanOrEqual(took?.p95 ?? Number.NaN);
    expect(found.shares.find(({ name }) => name === "/export")).toMatchObject({ store_error: null });
    smb.close();
  });

  test("as JSON are of the next second where nobody looked, and at hand where somebody does", async () => {
    const load = nfs.getattr(root);
    const answer = await admin.do("GET", "/api/v1/stats");
    await load;
    expect(answer.interval_ms).toBeGreaterThanOrEqual(900);
    expect(answer.shares.map((share: { name: string }) => share.name)).toContain("/export");
  });

  test("are for operators, and a stream ends with the log-out of its session", async () => {
    const alice = await Admin.at(server, "alice", password);
    expect((await alice.ask("GET", "/api/v1/stats")).status).toBe(403);
    const second = await Admin.at(server);
    const stream = follow(second.token);
    await next(stream);
    await second.do("POST", "/api/v1/auth/logout");
    const rest = within("the end of the stream", 10_000, Array.fromAsync(stream));
    await expect(rest).rejects.toMatchObject({ name: "StreamEnded", code: "invalid_token" });
  });
});

describe("dittofs top", () => {
  const busy = { on: false };
  let done: Promise<void> = Promise.resolve();

  beforeAll(async () => {
    busy.on = true;
    const work = async () => {
      for (let i = 0; busy.on; i++) await (i % 4 === 0 ? nfs.write(file, 0, Buffer.alloc(1000, 1), Stable.unstable) : nfs.getattr(root));
    };
    done = work();
  });
  afterAll(async () => {
    busy.on = false;
    await done;
  });

  test("shows on a terminal who does what; keys change the view, sort, filter and end it, and the terminal is as it was", async () => {
    const pty = new Pty([binaryPath(), "top"], environment);
    try {
      const clients = await pty.shows(/^127\.0\.0\.1 +nfs +alice +\/export +[0-9.]+k? /);
      expect(clients[0]).toMatch(/^dittofs top {2}http:\/\/127\.0\.0\.1:\d+ {2}\d\d:\d\d:\d\d/);
      expect(clients.join("\n")).toMatch(/ops [1-9][0-9.]*k?\/s .* p50 \d/);
      expect(clients).toHaveLength(24);
      expect(clients.find((line) => line.startsWith("CLIENT"))).toContain("OPS/Sv");
      expect(pty.cooked).toBe(false);
      pty.press("\t");
      await pty.shows(/^SHARE +OPS\/Sv/);
      await pty.shows(/^\/export +[0-9.]+k? /);
      pty.press("3");
      const order = (lines: readonly string[]) => lines.flatMap((line) => /^(GETATTR|WRITE) /.exec(line)?.[1] ?? []);
      // On a busy machine there may be seconds in which nothing was asked.
      const ordered = (what: RegExp, names: readonly string[]) =>
        until(`${what} with ${names}`, 15_000, () => (pty.lines.some((line) => what.test(line)) && order(pty.lines).join() === names.join() ? true : null));
      await ordered(/^WRITE +nfs /, ["GETATTR", "WRITE"]);
      pty.press("r");
      await ordered(/^PROCEDURE +PROTO +OPS\/S\^/, ["WRITE", "GETATTR"]);
      pty.press("\u001b[D\u001b[D");
      await ordered(/^PROCEDUREv/, ["GETATTR", "WRITE"]);
      pty.press("/wri");
      await ordered(/^filter: wri_/, ["WRITE"]);
      pty.press("\r");
      await pty.shows(/^q quit/);
      pty.press("\u001b");
      await until("all of them again", 5000, () => (order(pty.lines).length === 2 ? true : null));
      pty.resize(60, 10);
      await until("a smaller screen", 5000, () => (pty.lines.length === 10 && pty.lines.every((line) => Bun.stringWidth(line) <= 60) ? true : null));
      expect(pty.written).not.toContain("\u001b[2J\u001b[H");
      pty.press("q");
      expect(await within("the end", 5000, pty.process.exited)).toBe(0);
      expect(pty.cooked).toBe(true);
      await pty.gaveBack();
      expect(pty.written.match(/\u001b\[\?1049[hl]/g)).toEqual(["\u001b[?1049h", "\u001b[?1049l"]);
    } finally {
      pty.close();
    }
  });

  test.each([
    ["Ctrl-C", 0, (pty: Pty) => pty.press("\u0003")],
    ["SIGTERM", 143, (pty: Pty) => pty.process.kill("SIGTERM")],
    ["SIGINT", 0, (pty: Pty) => pty.process.kill("SIGINT")],
  ])("gives the terminal back at %s", async (_, status, end) => {
    const pty = new Pty([binaryPath(), "top"], environment);
    try {
      await pty.shows(/^127\.0\.0\.1 /);
      end(pty);
      expect(await within("the end", 5000, pty.process.exited)).toBe(status);
      expect(pty.cooked).toBe(true);
      await pty.gaveBack();
    } finally {
      pty.close();
    }
  });

  test("waits for a server that goes away, and goes on when it is back", async () => {
    const options = { dataDir: join(directory.path, "again"), port: 0, env: { DITTOFS_CONTROLPLANE_PORT: String(await freePort()) } };
    let own = await Server.start(options);
    const pty = new Pty([binaryPath(), "top"], { ...environment, DITTOFS_SERVER: own.apiUrl, DITTOFS_TOKEN: (await Admin.at(own)).token });
    try {
      await pty.shows(/^ops /);
      await own.stop();
      await pty.shows(/^cannot connect to .* nothing listens there/);
      own = await Server.start(options);
      await until("figures again", 15_000, () => (pty.lines.length === 24 && !pty.lines.some((line) => line.startsWith("cannot connect")) ? true : null));
      pty.press("q");
      expect(await within("the end", 5000, pty.process.exited)).toBe(0);
    } finally {
      pty.close();
      await own.stop();
    }
  });

  test("has no colours where NO_COLOR says so", async () => {
    for (const [env, coloured] of [[{}, true], [{ NO_COLOR: "1" }, false]] as const) {
      const pty = new Pty([binaryPath(), "top"], { ...environment, ...env });
      try {
        await pty.shows(/^127\.0\.0\.1 /);
        expect(/\u001b\[[1-9][0-9;]*m/.test(pty.frame.join(""))).toBe(coloured);
        pty.press("q");
        await within("the end", 5000, pty.process.exited);
      } finally {
        pty.close();
      }
    }
  });

  const run = (...args: readonly string[]) => {
    const child = Bun.spawn([binaryPath(), "top", ...args], { env: { ...Bun.env, ...environment }, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    return within("the end of top", 20_000, Promise.all([child.exited, new Response(child.stdout).text(), new Response(child.stderr).text()]));
  };

  test("says a line a second elsewhere, and objects to programs", async () => {
    const [status, out] = await run("--count", "3");
    expect(status).toBe(0);
    const lines = out.trimEnd().split("\n");
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatch(/^ *TIME +OPS\/S .* BUSIEST$/);
    // One of them, where this process has a processor.
    expect(lines.slice(1).join("\n")).toMatch(/alice@127\.0\.0\.1 \/export$/m);
    expect(out).not.toContain("\u001b");
    const [, json] = await run("--count", "2", "-o", "json", "--interval", "2s");
    const objects = json.trimEnd().split("\n").map((line) => JSON.parse(line) as Stats);
    expect(objects).toHaveLength(2);
    for (const stats of objects) expect(stats.interval_ms).toBeGreaterThan(1900);
    expect(Math.max(...objects.map(({ total }) => total.operations))).toBeGreaterThan(0);
  });

  test("says what is wrong with what it is given", async () => {
    expect(await run("--interval", "1500ms")).toEqual([2, "", expect.stringContaining("whole seconds from 1s to 30s")]);
    expect(await run("--count", "0")).toEqual([2, "", expect.stringContaining("--count")]);
    const stranger = spawnSync([binaryPath(), "top", "--token", "nobody's"], { env: { ...Bun.env, ...environment } });
    expect([stranger.exitCode, stranger.stderr.toString()]).toEqual([4, expect.stringContaining("error: ")]);
  });
});
