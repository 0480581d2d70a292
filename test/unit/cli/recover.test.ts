import { expect, test } from "bun:test";
import { systemClock } from "#base/index.ts";
import type { Offline } from "#cli/index.ts";
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
  expect(err).toBe("fetching the snapshot: 0 bytes of 4 MiB\nfetching the snapshot: 3 MiB of 4 MiB\nreplaying changes: 1 segments of 3 segments\nlooking for what was stored last: 0 objects of 2 objects\n");
  expect(out).toContain("recovered share /export");
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
