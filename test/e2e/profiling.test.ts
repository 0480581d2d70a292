import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { Admin } from "../support/admin.ts";
import { NfsClient, Stable } from "../support/nfs-client.ts";
import { readProfile, samplesIn } from "../support/pprof.ts";
import { PyroscopeReceiver } from "../support/pyroscope.ts";
import { binaryPath, Server, temporaryDirectory } from "../support/server.ts";
import { until } from "../support/wait.ts";

/** Profiles of the compiled server while it serves reads: those that somebody asks for, and those that are pushed. */

const startMs = 240_000;
const testMs = 240_000;
const callsAtOnce = 32;

describe("the compiled server, reading", () => {
  const directory = temporaryDirectory("profiling");
  const pyroscope = new PyroscopeReceiver();
  let server: Server;
  let admin: Admin;
  let client: NfsClient;
  let file: Uint8Array;
  let reading = true;
  let readers: Promise<unknown> = Promise.resolve();

  beforeAll(async () => {
    const config = join(directory.path, "config.yaml");
    await Bun.write(config, `telemetry:\n  profiling: {enabled: true, endpoint: '${pyroscope.url}', profile_types: [cpu, inuse_objects, inuse_space]}\n`);
    server = await Server.start({ dataDir: join(directory.path, "data"), port: 0, config });
    admin = await Admin.at(server);
    client = await NfsClient.connect({ port: server.port });
    file = (await client.create(await client.mount("/export"), "a", { mode: 0o644 })).handle as Uint8Array;
    await client.write(file, 0, new Uint8Array(4096).fill(7), Stable.fileSync);
    readers = Promise.all(Array.from({ length: callsAtOnce }, async () => {
      while (reading) await client.read(file, 0, 4096);
    }));
  }, startMs);

  afterAll(async () => {
    reading = false;
    await readers;
    client?.close();
    await server?.stop();
    await pyroscope.stop();
    directory.remove();
  });

  /** What a profile of the READ path shows: our own names, with their sources, and about as many samples as it was busy. */
  function expectReads(profile: ReturnType<typeof readProfile>): void {
    expect(profile.types).toEqual(["samples/count", "cpu/nanoseconds"]);
    const all = profile.samples.reduce((sum, { values }) => sum + (values[0] ?? 0), 0);
    const seconds = profile.durationMs / 1000;
    // The event loop's thread alone can give a hundred a second; another processor may be busy besides.
    expect(all).toBeWithin(5, 100 * (navigator.hardwareConcurrency + 1) * Math.max(1, seconds));
    const inRead = samplesIn(profile, / \[nfs\/v3\/read\.ts\]$/);
    expect(inRead).toBeGreaterThan(0);
    expect(samplesIn(profile, /^dispatch \[nfs\/rpc\.ts\]$/)).toBeGreaterThanOrEqual(inRead);
    expect(samplesIn(profile, / \[(?:cache|vfs)\/.*\.ts\]$/)).toBeGreaterThan(0);
    expect(profile.files.get("dispatch [nfs/rpc.ts]")).toBe("src/nfs/rpc.ts");
    // Names of one letter are what a build that shortens them would leave.
    const short = profile.samples.flatMap(({ stack }) => stack).filter((name) => /^\w{1,2} \[(?!node_modules)/.test(name));
    expect(new Set(short).size).toBeLessThanOrEqual(2);
  }

  test("dittofs profile writes a file that readers of pprof understand, while profiles are pushed, too", async () => {
    const path = join(directory.path, "cpu.pb.gz");
    const child = Bun.spawn([binaryPath(), "profile", "cpu", "--seconds", "3", "--output", path, "--server", server.apiUrl, "--token", admin.token], { stdout: "pipe", stderr: "inherit", stdin: "ignore" });
    expect(await child.exited).toBe(0);
    expect(await new Response(child.stdout).text()).toMatch(/^wrote .*cpu\.pb\.gz \(\d/);
    const profile = readProfile(readFileSync(path));
    expect(profile.durationMs).toBeWithin(2_900, 10_000);
    expectReads(profile);
  }, testMs);

  test("one profile is taken at a time", async () => {
    // On a busy machine the second call may come when the first is over.
    await until("one of two to be refused", 20_000, async () => {
      const answers = await Promise.all([1, 2].map(() => fetch(`${server.apiUrl}/api/v1/profiles/cpu?seconds=1`, { headers: { authorization: `Bearer ${admin.token}` } })));
      await Promise.all(answers.map((answer) => answer.bytes()));
      const statuses = answers.map(({ status }) => status).sort();
      expect([[200, 200], [200, 429]]).toContainEqual(statuses);
      return statuses[1] === 429 ? true : null;
    });
  }, testMs);

  test("pushes profiles, the last of them when it stops, and goes on serving when nobody takes them", async () => {
    await pyroscope.received(3, testMs);
    const [cpu, objects, space] = pyroscope.uploads;
    expect(cpu?.query["name"]).toMatch(new RegExp(`^dittofs\\{host=${hostname()},version=[^{},=]+\\}$`));
    expect(Number(cpu?.query["until"]) - Number(cpu?.query["from"])).toBeWithin(14, 30);
    expectReads(readProfile(cpu?.profile as Uint8Array));
    expect(samplesIn(readProfile(objects?.profile as Uint8Array), /^Uint8Array$/)).toBeGreaterThan(0);
    expect(samplesIn(readProfile(space?.profile as Uint8Array), /^resident$/)).toBeWithin(20 * 2 ** 20, 2 ** 31);
    reading = false;
    await readers;
    const before = pyroscope.uploads.length;
    const stoppedSec = Math.floor(Date.now() / 1000);
    expect(await server.stop()).toBe(0);
    // All kinds of what was in hand, and of what was over just then.
    expect([3, 6]).toContain(pyroscope.uploads.length - before + (before % 3));
    for (const { query } of pyroscope.uploads.slice(-3)) expect(Number(query["until"])).toBeGreaterThanOrEqual(stoppedSec - 1);
  }, testMs);
});

test("an unreachable Pyroscope keeps a server neither from starting nor from stopping", async () => {
  const directory = temporaryDirectory("profiling-away");
  const gone = new PyroscopeReceiver();
  await gone.stop();
  const server = await Server.start({ dataDir: join(directory.path, "data"), port: 0, env: { DITTOFS_TELEMETRY_PROFILING_ENABLED: "true", DITTOFS_TELEMETRY_PROFILING_ENDPOINT: gone.url } });
  expect(await server.stop()).toBe(0);
  expect(server.output).toContain("profiles are not taken by Pyroscope");
  directory.remove();
}, startMs);
