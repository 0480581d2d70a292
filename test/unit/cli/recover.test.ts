import { expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "#base/index.ts";
import type { Offline } from "#cli/index.ts";
import { figures } from "#cli/progress.ts";
import { temporary } from "../../support/temporary.ts";
import { contract, FakeApi } from "./fake-api.ts";
import { cli } from "./support.ts";

/** What an operator sees of a recovery while it is under way. */

const recovered = { name: "/export", instance: "00", host: "old", database: "/srv/d/shares/export/metadata.db", files: 3, bytes: 4096, segments: 3, unstoredRecords: 0, filesWithLoss: 0 };
let nowMs = 0;
const clock = { ...systemClock, monotonicMs: () => nowMs };
const mib = 2 ** 20;

function offline(fails = false): Offline {
  const unexpected = () => Promise.reject(new Error("nobody expected this"));
  return {
    places: () => ({ databaseFile: null, secretFile: null, initialPasswordFile: null }),
    examine: async () => null,
    resetPassword: unexpected, rotateSecret: unexpected, backup: unexpected, restore: unexpected, work: unexpected,
    async recover(_loaded, _request, tell) {
      nowMs = 0;
      for (const [atMs, done] of [[0, 0], [3000, 1], [9000, 2], [11_000, 3]] as const) {
        nowMs = atMs;
        tell({ phase: "snapshot", done: done * mib, of: 4 * mib });
      }
      tell({ phase: "changes", done: 1, of: 3 });
      tell({ phase: "packs", done: 0, of: 2 });
      if (fails) throw new Error("object x is damaged");
      return recovered;
    },
  };
}

const args = ["recover", "--from", "filesystem", "--path", "/b", "--data-dir", "/srv/d"];

test("elsewhere than on a terminal there is a line for each part of it, and one every ten seconds", async () => {
  const { status, err, out } = await cli(args, { offline: offline(), clock, columns: 80 });
  expect(status).toBe(0);
  expect(err).toBe("fetching the snapshot: 0 bytes of 4 MiB\nfetching the snapshot: 3 MiB of 4 MiB\nreplaying changes: 1 of 3 segments\nlooking for what was stored last: 0 of 2 objects\n");
  expect(out).toContain("recovered share /export (instance 00): 3 files and directories, 4 KiB; 3 segments");
});

test("on a terminal there is a bar, which is gone at the end, also of one that failed", async () => {
  for (const fails of [false, true]) {
    const { status, err } = await cli(args, { offline: offline(fails), clock, answers: [] });
    expect(status).toBe(fails ? 1 : 0);
    expect(err).toContain("\r\u001b[K[##################------] 75 % fetching the snapshot: 3 MiB of 4 MiB");
    expect(err).toContain("\r\u001b[K[########----------------] 33 % replaying changes");
    expect(err.slice(err.lastIndexOf("\r"))).toBe(`\r\u001b[K${fails ? "error: object x is damaged\n" : ""}`);
  }
});

test("figures have one unit, sizes are read as sizes, and nobody is told of more than there is", () => {
  const said = (step: string, done: number, total: number | null, unit: string): string => figures({ step, done, total, unit });
  expect(said("content", 5000, 1024 * 1024, "bytes")).toBe("content: 4.88 KiB of 1 MiB");
  expect(said("copying metadata", 1024, 1737, "rows")).toBe("copying metadata: 1024 of 1737 rows");
  expect(said("inodes", 5, 261, "inodes")).toBe("inodes: 5 of 261");
  expect(said("names", 1024, null, "names")).toBe("names: 1024");
  expect(said("inodes", 262, 261, "inodes")).toBe("inodes: 262");
  expect([said("switching", 0, null, "share"), said("repairs", 0, 0, "repairs")]).toEqual(["switching", "repairs"]);
});

test("what says where the share lies is asked for by the name of its flag", async () => {
  for (const [type, flag] of [["s3", "--bucket"], ["filesystem", "--path"]]) {
    const { status, err } = await cli(["recover", "--from", type as string, "--data-dir", "/srv/d"], { offline: offline(), clock });
    expect([status, err]).toEqual([2, expect.stringContaining(`${flag} is missing: the`)]);
  }
});

test("a master key that has nowhere to go is refused with what to do", async () => {
  const directory = temporary("new-key");
  writeFileSync(join(directory, "file"), "");
  for (const [path, said] of [["none/master.keys", `there is no directory ${join(directory, "none")}`], ["file/master.keys", `${join(directory, "file")} is no directory`]]) {
    const { status, err } = await cli(["store", "block", "new-key", join(directory, path as string)], {});
    expect([status, err]).toEqual([2, expect.stringContaining(said as string)]);
  }
  expect((await cli(["store", "block", "new-key", join(directory, "master.keys")], {})).status).toBe(0);
  expect(readdirSync(directory).sort()).toEqual(["file", "master.keys"]);
});

test("a server that ends under a job is said to have gone away, with what has become of the job", async () => {
  const api = new FakeApi();
  const job = { id: "0123456789abcdef", kind: "fsck" as const, share: "/e", state: "running" as const, started_by: "a", started_at: "t", ended_at: null, progress: { step: "", done: 0, total: null, unit: "" }, findings_total: 0, result: null, error: null };
  api.on(contract.shares.fsck, job);
  api.on(contract.jobs.show, (() => {
    void api.stop();
    return { ...job, findings: [] };
  }) as never);
  const { status, err } = await cli(["fsck", "/e", "--server", api.url, "--token", "t"], {});
  expect([status, err]).toEqual([7, expect.stringContaining("does not answer any more; how far the fsck came is not known")]);
  expect(err).toContain("dittofs job show 0123456789abcdef");
  expect(err).not.toContain("TLS");
});
