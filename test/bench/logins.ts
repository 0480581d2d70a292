/**
 * What log-ins cost everybody else: `bun test/bench/logins.ts [seconds]`. Offers 50 log-ins a second, as many as an attacker might,
 * and samples meanwhile how long the event loop keeps a timer of one millisecond waiting, as it would a request for a file. Then how
 * many access tokens a second can be checked.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { systemRandom } from "../../src/base/random.ts";
import { openSqliteControlDatabase } from "../../src/control/database/index.ts";
import { users } from "../../src/control/database/tables.ts";
import { ControlError } from "../../src/control/errors.ts";
import type { User } from "../../src/control/nouns.ts";
import { openPasswords } from "../../src/control/passwords/index.ts";
import { type LoginUser, openLogins } from "../../src/control/sessions/index.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";

const seconds = Number(process.argv[2] ?? 10);
const offeredPerSecond = 50;
const people = 200;
const password = "correct horse";

/** Lateness of a timer of one millisecond, in milliseconds, sampled until `stop`. */
function sampleGaps(): { stop(): string } {
  const gaps: number[] = [];
  let last = performance.now();
  let stopped = false;
  const tick = () => {
    const now = performance.now();
    gaps.push(now - last - 1);
    last = now;
    if (!stopped) setTimeout(tick, 1);
  };
  setTimeout(tick, 1);
  return {
    stop() {
      stopped = true;
      gaps.sort((a, b) => a - b);
      const at = (part: number) => (gaps[Math.min(gaps.length - 1, Math.floor(gaps.length * part))] ?? 0).toFixed(2);
      return `${gaps.length} samples, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, p99.9 ${at(0.999)} ms, max ${at(1)} ms`;
    },
  };
}

async function offer(login: (i: number) => Promise<unknown>): Promise<ReadonlyMap<string, number>> {
  const answers = new Map<string, number>();
  const count = (answer: string) => void answers.set(answer, (answers.get(answer) ?? 0) + 1);
  const running: Promise<void>[] = [];
  const began = performance.now();
  for (let i = 0; i < offeredPerSecond * seconds; i++) {
    await Bun.sleep(Math.max(0, began + (i * 1000) / offeredPerSecond - performance.now()));
    running.push(login(i).then(() => count("logged in"), (error: unknown) => count(error instanceof ControlError ? error.code : String(error))));
  }
  await Promise.all(running);
  return answers;
}

const directory = mkdtempSync(join(tmpdir(), "dittofs-bench-logins-"));
const db = await openSqliteControlDatabase({ path: join(directory, "controlplane.db"), clock: systemClock, logger: silentLogger });
const passwords = openPasswords({ clock: systemClock });
const { passwordHash } = await passwords.hash(password);
const byId = new Map<string, LoginUser>();
const byName = new Map<string, LoginUser>();
const views = new Map<string, User>();
for (let i = 0; i < people; i++) {
  const id = crypto.randomUUID();
  const name = `user-${i}`;
  const user: LoginUser = { id, name, role: "user", enabled: true, passwordHash, mustChangePassword: false, sessionEpoch: 1 };
  const row = { id, name, uid: 1000 + i, gid: 1000, email: "", displayName: "", role: user.role, enabled: true, mustChangePassword: false, version: 1, createdAt: 0, updatedAt: 0 };
  await db.transaction((tx) => tx.insert(users, { ...row, passwordHash, ntHash: null, sessionEpoch: 1 }));
  byId.set(id, user);
  byName.set(name, user);
  views.set(id, { ...row, role: user.role, groups: [] });
}
const directoryOfUsers = {
  byName: (name: string) => byName.get(name) ?? null,
  byId: (id: string) => byId.get(id) ?? null,
  view: (id: string) => views.get(id) ?? null,
  setPassword: async () => {},
};
const logins = await openLogins({ db, directory: directoryOfUsers, passwords, tokenKey: systemRandom.bytes(32), clock: systemClock, random: systemRandom, logger: silentLogger, audit: async () => {} });

try {
  const idle = sampleGaps();
  await Bun.sleep(seconds * 1000);
  console.log(`event loop, idle:                 ${idle.stop()}`);

  // Each from an address of its own: the throttle would let fewer through.
  const busy = sampleGaps();
  const answers = await offer((i) => logins.login(`user-${i % people}`, i % 2 === 0 ? password : "wrong horse", `198.51.${(i >> 8) & 255}.${i & 255}`));
  console.log(`event loop, ${offeredPerSecond} log-ins a second:  ${busy.stop()}`);
  console.log(`answers: ${[...answers].map(([answer, n]) => `${answer} ${n}`).join(", ")}`);

  const tokens: string[] = [];
  for (let i = 0; i < 20; i++) tokens.push((await logins.login(`user-${i}`, password, `203.0.113.${i}`)).accessToken);
  const checks = 200_000;
  const began = performance.now();
  // A request's token is a string of its own, whose hash no engine has kept.
  for (let i = 0; i < checks; i++) await logins.authenticate(Buffer.from(tokens[i % tokens.length] as string).toString());
  console.log(`access tokens checked: ${Math.round(checks / ((performance.now() - began) / 1000))} a second`);
} finally {
  await logins.close();
  await db.close();
  rmSync(directory, { recursive: true });
}
