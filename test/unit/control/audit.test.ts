import { describe, expect, test } from "bun:test";
import { audit as auditTable } from "#control/database/tables.ts";
import { pruneEveryMs, pruneLinesMax, prunePauseMs } from "#control/server/audit.ts";
import { FailedLogins, sumMs, sumsMax } from "#control/server/failed-logins.ts";
import type { LoginEvent } from "#control/sessions/port.ts";
import { openKit, root } from "./kit.ts";
import { MemoryDatabase } from "./sessions/memory-database.ts";
import { refusal } from "./sessions/world.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { LogLines } from "../../support/log-lines.ts";

const dayMs = 86_400_000;

/** Until what was begun has been done: everything of a database in memory is within a few turns. */
const settled = async (): Promise<void> => {
  for (let i = 0; i < 50; i++) await Promise.resolve();
};

function line(at: number) {
  return { at, actor: "alice", address: "10.0.0.1", action: "users.edit", targetType: "user", target: "alice", before: null, after: null };
}

async function opened(lines: number, ageDays: number) {
  const database = new MemoryDatabase();
  const kit = await openKit({ database });
  await database.transaction(async (tx) => {
    for (let i = 0; i < lines; i++) await tx.append(auditTable, line(kit.clock.ms - ageDays * dayMs));
  });
  const old = (): number => database.rowsOf(auditTable).filter(({ action }) => action === "users.edit").length;
  const after = async (ms: number): Promise<void> => {
    kit.clock.ms += ms;
    kit.clock.pass(0);
    await settled();
  };
  return { ...kit, database, old, after };
}

describe("lines of the audit log", () => {
  test("are kept for 400 days, then deleted some at a time; changes are made in between", async () => {
    const { old, after, groups } = await opened(2 * pruneLinesMax + 10, 401);
    await after(pruneEveryMs);
    expect(old()).toBe(pruneLinesMax + 10);
    await groups.create(root, { name: "between" });
    expect(old()).toBe(pruneLinesMax + 10);
    await after(prunePauseMs);
    expect(old()).toBe(10);
    await after(prunePauseMs);
    expect(old()).toBe(0);
  });

  test("that are younger stay", async () => {
    const { old, after } = await opened(10, 399);
    await after(pruneEveryMs);
    expect(old()).toBe(10);
    await after(dayMs);
    expect(old()).toBe(0);
  });

  test("go sooner where it is set so, within bounds", async () => {
    const { old, after, settings } = await opened(10, 31);
    expect(settings.get("audit.keep_days")).toMatchObject({ value: "400", default: "400", allowed: "a whole number from 1 to 36500" });
    await after(pruneEveryMs);
    expect(old()).toBe(10);
    for (const bad of ["0", "-1", "36501", "soon", "1.5"]) expect(await refusal(settings.set(root, "audit.keep_days", bad, null))).toBe("invalid_value");
    await settings.set(root, "audit.keep_days", "30", null);
    await after(pruneEveryMs);
    expect(old()).toBe(0);
  });

  test("are not looked at any more once the control plane is closed", async () => {
    const { old, after, control } = await opened(10, 401);
    await control.close();
    await after(pruneEveryMs);
    expect(old()).toBe(10);
  });
});

describe("failed log-ins", () => {
  const failed = (user: string | null, address: string): LoginEvent => ({ action: "login_failed", user, address, sessionId: null });

  test("of one name from one address within a minute are one line at once and one with the number of the others", async () => {
    const { control, database, after } = await opened(0, 0);
    const lines = () => database.rowsOf(auditTable).filter(({ action }) => action === "sessions.login_failed").map(({ actor, address, after: more }) => [actor, address, more]);
    for (let i = 0; i < 700; i++) await control.auditLogin(failed("admin", "10.0.0.1"));
    await control.auditLogin(failed("alice", "10.0.0.1"));
    await control.auditLogin(failed(null, "10.0.0.2"));
    const first = [["admin", "10.0.0.1", null], ["alice", "10.0.0.1", null], ["", "10.0.0.2", null]];
    expect(lines()).toEqual(first);
    await after(sumMs);
    expect(lines()).toEqual([...first, ["admin", "10.0.0.1", { attempts: 699 }]]);
    for (let i = 0; i < 3; i++) await control.auditLogin(failed("admin", "10.0.0.1"));
    await control.close();
    expect(lines().slice(4)).toEqual([["admin", "10.0.0.1", null], ["admin", "10.0.0.1", { attempts: 2 }]]);
  });

  test("are summed for so many names at once; others are written by themselves, and a database that is away is said", async () => {
    const log = new LogLines();
    const clock = new ManualClock();
    let broken = false;
    let written = 0;
    const sums = new FailedLogins(clock, log, async () => {
      if (broken) throw new Error("away");
      written++;
    });
    for (let i = 0; i < 2 * sumsMax; i++) for (let n = 0; n < 2; n++) await sums.note(failed(`user${i}`, "10.0.0.1"), clock.ms);
    expect(written).toBe(3 * sumsMax);
    broken = true;
    clock.pass(sumMs);
    await sums.close();
    expect(log.lines.length).toBe(sumsMax);
    expect(JSON.stringify(log.lines[0])).toContain("could not be written to the audit log");
  });
});
