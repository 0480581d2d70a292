import { expect, test } from "bun:test";
import type { Loaded } from "#config/index.ts";
import type { Offline } from "#cli/index.ts";
import { Time, systemClock } from "#base/index.ts";
import { cli } from "./support.ts";

/** What is done to a control-plane database without its server; the doing itself is the composition root's. */

function fake() {
  const calls: unknown[][] = [];
  const note = <T>(name: string, result: T) => async (loaded: Loaded, ...rest: unknown[]) => {
    calls.push([name, loaded.config.data_dir, ...rest]);
    return result;
  };
  const offline: Offline = {
    places: () => ({ databaseFile: null, secretFile: "/srv/d/controlplane.secret", initialPasswordFile: null }),
    resetPassword: async (loaded, username) => ({ ...(await note("reset", {})(loaded, username)), username, password: "Xy7-random" }),
    examine: async () => null,
    rotateSecret: async (loaded, next) => await note("rotate", { rewrapped: 4, secretFile: next === null ? "/srv/d/controlplane.secret" : null })(loaded, next),
    backup: async (loaded, file) => await note("backup", { file, bytes: 8192, schemaVersion: 3 })(loaded, file),
    recover: () => Promise.reject(new Error("nobody expected a recovery")),
    work: unexpectedWork,
    restore: note("restore", { users: 2, shares: 3, schemaVersion: 3, before: "/srv/d/controlplane.db.before" }),
  };
  return { offline, calls };
}
const unexpectedWork = () => Promise.reject(new Error("no work was asked for"));
const at = ["--data-dir", "/srv/d"];

test("user password --reset --offline shows the new password once", async () => {
  const { offline, calls } = fake();
  expect(await cli(["user", "password", "--reset", "--offline", ...at], { offline })).toMatchObject({ status: 0, out: "the password of admin is now: Xy7-random\nIt must be changed at the next log-in and is not shown again.\n", err: "" });
  await cli(["user", "password", "root", "--reset", "--offline", ...at], { offline });
  expect(calls).toEqual([["reset", "/srv/d", "admin"], ["reset", "/srv/d", "root"]]);
  expect((await cli(["user", "password", "--reset", ...at], { offline })).err).toBe("error: --reset and --offline go together\n");
  const running = { ...offline, resetPassword: () => Promise.reject(new Error("a server runs on /srv/d (pid 3); stop it first")) };
  expect(await cli(["user", "password", "--reset", "--offline", ...at], { offline: running })).toMatchObject({ status: 1, err: "error: a server runs on /srv/d (pid 3); stop it first\n" });
});

test("settings rotate-secret makes a random one, or takes one from standard input", async () => {
  const { offline, calls } = fake();
  expect(await cli(["settings", "rotate-secret", "--yes", ...at], { offline })).toMatchObject({ status: 0, out: "changed the control-plane secret; the new one is in /srv/d/controlplane.secret\n" });
  expect((await cli(["settings", "rotate-secret", "--yes", "--password-stdin", ...at], { offline, input: "s3cret\n" })).out).toEndWith("set DITTOFS_CONTROLPLANE_SECRET to the new one before the next start\n");
  expect(calls).toEqual([["rotate", "/srv/d", null], ["rotate", "/srv/d", "s3cret"]]);
  expect((await cli(["settings", "rotate-secret", ...at], { offline })).status).toBe(2);
  expect(calls).toHaveLength(2);
});

test("backup controlplane names the file and what to keep with it", async () => {
  const { offline, calls } = fake();
  const done = await cli(["backup", "controlplane", "--output", "/b/c.db", ...at], { offline });
  expect(done).toMatchObject({ status: 0, out: "wrote /b/c.db (8 KiB, schema 3)\n", err: expect.stringContaining("keep with it /srv/d/controlplane.secret") });
  await cli(["backup", "controlplane", ...at], { offline, clock: { ...systemClock, now: () => new Time(Date.UTC(2026, 0, 2, 3, 4, 5) / 1000, 0) } });
  expect(calls[1]?.[2]).toEndWith("/controlplane-backup-20260102T030405Z.db");
});

test("restore controlplane asks, and takes --force for a running server too", async () => {
  const { offline, calls } = fake();
  expect((await cli(["restore", "controlplane", ...at, "--yes"], { offline })).err).toBe("error: --input is missing\n");
  expect((await cli(["restore", "controlplane", "--input", "/b/c.db", ...at], { offline })).status).toBe(2);
  expect(calls).toEqual([]);
  expect((await cli(["restore", "controlplane", "--input", "/b/c.db", ...at], { offline, answers: ["y"] })).out).toBe("restored 2 users and 3 shares (schema 3); what was there is in /srv/d/controlplane.db.before\n");
  await cli(["restore", "controlplane", "--input", "/b/c.db", "--force", ...at], { offline });
  expect(calls).toEqual([["restore", "/srv/d", "/b/c.db", { force: false }], ["restore", "/srv/d", "/b/c.db", { force: true }]]);
});
