import { beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fill, onGround, openCheckable, type Place, plantings } from "../support/damaged-share.ts";
import { Admin } from "../support/admin.ts";
import { binaryPath, Server, serverEnvironment } from "../support/server.ts";
import { temporary } from "../support/temporary.ts";
import { until } from "../support/wait.ts";

/** `dittofs fsck` as an operator runs it, on a share in which everything that can go wrong has. */

interface Job {
  readonly state: string;
  readonly error: string | null;
  readonly findings: readonly { readonly kind: string; readonly path: string | null; readonly severity: string; readonly repaired: boolean }[];
  readonly result: Readonly<Record<string, number>>;
}

const dataDir = temporary("fsck-e2e");
const own = join(dataDir, "shares", "export");
let places: Map<string, Place>;

async function run(...args: readonly string[]): Promise<{ readonly status: number; readonly out: string; readonly err: string }> {
  const child = Bun.spawn([binaryPath(), ...args], { stdin: "ignore", stdout: "pipe", stderr: "pipe", env: { ...Bun.env, ...serverEnvironment, DITTOFS_GC_GRACE: "0s" } });
  const [out, err, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  return { status, out, err };
}

const offline = async (...flags: readonly string[]): Promise<{ readonly status: number; readonly job: Job }> => {
  const { status, out, err } = await run("fsck", "/export", "--offline", "--data-dir", dataDir, "-o", "json", ...flags);
  if (out === "") throw new Error(err);
  return { status, job: JSON.parse(out) as Job };
};

beforeAll(async () => {
  // The server makes the share; it is filled and damaged where it lies.
  const server = await Server.start({ dataDir, port: 0 });
  await server.stop();
  const opened = await openCheckable(own);
  places = await fill(opened);
  await opened.close();
}, 180_000);


describe("fsck on the binary", () => {
  test("a share that is whole: status 0, offline and through a server, which must not run for --offline", async () => {
    expect(await offline("--data")).toMatchObject({ status: 0, job: { state: "done", findings: [], result: { damaged: 0 } } });
    const server = await Server.start({ dataDir, port: 0 });
    try {
      const admin = await Admin.at(server);
      const { id } = await admin.do("POST", "/api/v1/shares/export/fsck", { data: true });
      const job = await until("the job", 20_000, async () => {
        const now = (await admin.do("GET", `/api/v1/jobs/${id}`)) as Job;
        return now.state === "running" ? null : now;
      });
      expect(job).toMatchObject({ state: "done", findings: [], result: { damaged: 0, packs: 55 } });
      const at = ["--server", server.apiUrl, "--token", admin.token];
      const followed = await run("fsck", "/export", "--data", ...at);
      expect(followed).toMatchObject({ status: 0, out: `checked ${places.size + 1} files and 55 packs: no damage\n` });
      const listed = await run("job", "list", "-o", "json", ...at);
      expect((JSON.parse(listed.out) as Job[]).map(({ state }) => state)).toEqual(["done", "done"]);
      const collected = await run("gc", "/export", ...at);
      expect(collected).toMatchObject({ status: 0 });
      expect(collected.out).toContain("0 objects (0 bytes) are referred to by nobody");
      expect((await run("scrub", "/export", "--rate", "1GiB", ...at)).out).toMatch(/^read \S+ MiB: no damage\n$/);
      expect((await run("scrub", "/export", "--rate", "1", ...at)).status).toBe(2);
      expect((await run("store", "migrate", "/export", ...at)).status).toBe(2);
      expect((await run("fsck", "/nowhere", ...at)).status).toBe(5);
      const refused = await run("fsck", "/export", "--offline", "--data-dir", dataDir);
      expect(refused.status).toBe(1);
      expect(refused.err).toContain("leave out --offline");
    } finally {
      await server.stop();
    }
  }, 180_000);

  test("an object nobody knows goes without a server, too, once two collections saw it", async () => {
    const key = `${(places.get("/d0/f0") as Place).key.slice(0, 16)}/aa/00000000abcdef`;
    const stray = join(own, "blocks", "objects", `${key}+`);
    mkdirSync(dirname(stray), { recursive: true });
    writeFileSync(stray, "of nobody");
    const collect = (): Promise<{ readonly status: number; readonly out: string; readonly err: string }> => run("gc", "/export", "--delete", "--offline", "--data-dir", dataDir);
    const first = await collect();
    expect(first).toMatchObject({ status: 0 });
    expect(first.out).toContain(key);
    expect(existsSync(stray)).toBeTrue();
    await collect();
    expect(existsSync(stray)).toBeFalse();
    expect(existsSync(join(own, "strays.json"))).toBeFalse();
  }, 180_000);

  test("forty damages at once: each is named, what can be repaired is, and the status says that some are left", async () => {
    onGround(join(own, "metadata.db"), join(own, "blocks"), places, (ground) => {
      for (const planting of plantings) planting.plant(ground);
    });
    const first = await offline("--data");
    expect(first.status).toBe(8);
    for (const { name, kind, path } of plantings) {
      const found = first.job.findings.some((finding) => finding.kind === kind && (path === undefined || finding.path === path));
      expect(found, `${name}: ${JSON.stringify(first.job.findings, null, 1)}`).toBeTrue();
    }
    const repair = await offline("--data", "--repair");
    expect(repair.status).toBe(8);
    const left = (await offline("--data")).job.findings.filter(({ severity }) => severity === "damage");
    const unrepairable = new Set(plantings.filter(({ repairable }) => !repairable).map(({ kind }) => kind));
    // What an object that was deleted, cut or damaged takes with it.
    for (const kind of ["object_missing", "object_damaged", "content_damaged", "extent_past_end"]) unrepairable.add(kind);
    expect(left.filter(({ kind }) => !unrepairable.has(kind))).toEqual([]);
    for (const { kind, path, repairable } of plantings) {
      if (repairable || path === undefined) continue;
      expect(left.some((finding) => finding.kind === kind && finding.path === path), `${kind} ${path}`).toBeTrue();
    }
  }, 180_000);
});
