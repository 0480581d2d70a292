import { afterEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemRandom } from "#base/random.ts";
import { DatabaseError } from "#control/database/port.ts";
import { notes, users } from "#control/database/tables.ts";
import { ControlError } from "#control/errors.ts";
import { SecretDirectory, type SecretFiles, changeSecret, openSecrets, tokenKeyOf } from "#control/secrets/index.ts";
import { MemoryDatabase } from "../sessions/memory-database.ts";
import { aliceId, userRow } from "../sessions/world.ts";
import { temporary } from "../../../support/temporary.ts";
import { LogLines } from "../../../support/log-lines.ts";

const given = "a control-plane secret of some length";
const directories: string[] = [];

afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

function makePlace() {
  const directory = temporary("secret");
  directories.push(directory);
  const path = join(directory, "controlplane.secret");
  const db = new MemoryDatabase();
  const log = new LogLines();
  const files: SecretFiles = new SecretDirectory(directory, systemRandom);
  const options = { db, given: null as string | null, files, random: systemRandom, logger: log };
  return { directory, path, db, log, files, options, names: () => readdirSync(directory).toSorted() };
}

async function thrown(work: Promise<unknown>): Promise<Error> {
  const error: unknown = await work.then(
    () => null,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(Error);
  return error as Error;
}

describe("without a secret in the environment", () => {
  test("one is made once, for its owner alone, and the log says so once without telling it", async () => {
    const { path, options, log, names } = makePlace();
    const first = await openSecrets(options);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const text = readFileSync(path, "utf8");
    expect(text).toMatch(/^[A-Za-z0-9_-]{43}\n$/);
    expect(log.lines.length).toBe(1);
    expect(log.lines[0]).toContain(path);
    expect(log.lines[0]).not.toContain(text.trim());
    const second = await openSecrets(options);
    expect(log.lines.length).toBe(1);
    expect(second.tokenKey).toEqual(first.tokenKey);
    expect(second.keyring.unwrap(first.keyring.wrap("x", "c"), "c")).toBe("x");
    expect(names()).toEqual(["controlplane.secret"]);
  });

  test("it is another one in another place", async () => {
    const [one, two] = [makePlace(), makePlace()];
    expect((await openSecrets(one.options)).tokenKey).not.toEqual((await openSecrets(two.options)).tokenKey);
  });

  test("one that others can read is refused, with what to do", async () => {
    for (const mode of [0o640, 0o604, 0o660, 0o620, 0o601]) {
      const { path, options } = makePlace();
      await openSecrets(options);
      chmodSync(path, mode);
      const error = await thrown(openSecrets(options));
      expect(error.message).toContain(`chmod 600 '${path}'`);
      chmodSync(path, 0o400);
      await openSecrets(options);
    }
  });

  test("none is made for a database that was made with another one", async () => {
    const { path, options, names } = makePlace();
    await openSecrets(options);
    rmSync(path);
    const error = await thrown(openSecrets(options));
    expect(error).toBeInstanceOf(DatabaseError);
    expect(error.message).toContain("DITTOFS_CONTROLPLANE_SECRET");
    expect(error.message).toContain(path);
    expect(names()).toEqual([]);
  });

  test("none is made for a database that has lost its keyring", async () => {
    const { options, names, db } = makePlace();
    await db.transaction((tx) => tx.insert(users, userRow(aliceId, "alice")));
    expect((await thrown(openSecrets(options))).message).toContain("backup");
    expect(names()).toEqual([]);
  });

  test("one that is not the database's is refused by name", async () => {
    const { path, options } = makePlace();
    await openSecrets(options);
    writeFileSync(path, `${"x".repeat(43)}\n`);
    const error = await thrown(openSecrets(options));
    expect(error).toBeInstanceOf(DatabaseError);
    expect(error.message).toContain("DITTOFS_CONTROLPLANE_SECRET");
    writeFileSync(path, "");
    expect((await thrown(openSecrets(options))).message).toContain("DITTOFS_CONTROLPLANE_SECRET");
  });

  test("one that is too short for a new database, no file, or far too large is refused", async () => {
    const { path, options, db } = makePlace();
    writeFileSync(path, "short\n", { mode: 0o600 });
    const error = await thrown(openSecrets(options));
    expect(error).toBeInstanceOf(ControlError);
    expect(error.message).toContain(path);
    writeFileSync(path, "x".repeat(5000));
    expect((await thrown(openSecrets(options))).message).toContain("5000 bytes");
    rmSync(path);
    mkdirSync(path);
    expect((await thrown(openSecrets(options))).message).toContain("is no file");
    expect(db.rowsOf(notes)).toEqual([]);
  });

  test("one that somebody else makes at the same moment is used", async () => {
    const { path, options, files } = makePlace();
    const current = files.current.bind(files);
    let looked = false;
    files.current = () => {
      if (looked) return current();
      looked = true;
      writeFileSync(path, `${given}\n`, { mode: 0o600 });
      return null;
    };
    expect((await openSecrets(options)).tokenKey).toEqual(tokenKeyOf(given));
    expect(readFileSync(path, "utf8")).toBe(`${given}\n`);
  });

  test("a start cut off between file and database goes on with the file", async () => {
    const { path, options, db } = makePlace();
    db.beforeCommit = () => {
      if (readdirSync(join(path, "..")).length > 0) throw new Error("power cut");
    };
    await thrown(openSecrets(options));
    const made = readFileSync(path, "utf8");
    db.beforeCommit = () => {};
    await openSecrets(options);
    expect(readFileSync(path, "utf8")).toBe(made);
  });
});

describe("a secret from the environment", () => {
  test("is used, and no file is made or read", async () => {
    const { path, options, names, log } = makePlace();
    const secrets = await openSecrets({ ...options, given });
    expect(secrets.tokenKey).toEqual(tokenKeyOf(given));
    expect(names()).toEqual([]);
    expect(log.lines).toEqual([]);
    writeFileSync(path, "of somebody else", { mode: 0o666 });
    await openSecrets({ ...options, given: `${given}\n` });
  });

  test("is refused when it is short or empty, by the variable's name", async () => {
    for (const short of ["", "x".repeat(31)]) {
      const { options, db } = makePlace();
      const error = await thrown(openSecrets({ ...options, given: short }));
      expect(error).toBeInstanceOf(ControlError);
      expect(error.message).toContain("DITTOFS_CONTROLPLANE_SECRET");
      expect(db.rowsOf(notes)).toEqual([]);
    }
  });

  test("gives a key for tokens that is neither the secret nor the keyring's", () => {
    const key = Buffer.from(tokenKeyOf(given));
    expect(key.length).toBe(32);
    expect(key.toString("latin1")).not.toContain(given.slice(0, 8));
    expect(tokenKeyOf(`${given}!`)).not.toEqual(tokenKeyOf(given));
  });

  test("changes to one that is given", async () => {
    const { options, names } = makePlace();
    const before = await openSecrets({ ...options, given });
    expect(await thrown(changeSecret({ ...options, given }, null))).toBeInstanceOf(ControlError);
    const next = `${given}, a new one`;
    const after = await changeSecret({ ...options, given }, next);
    expect(after.keyring.unwrap(before.keyring.wrap("x", "c"), "c")).toBe("x");
    expect(after.tokenKey).toEqual(tokenKeyOf(next));
    expect(await thrown(openSecrets({ ...options, given }))).toBeInstanceOf(DatabaseError);
    expect(names()).toEqual([]);
  });
});

describe("changing the secret in the file", () => {
  test("puts a new one in its place; what was wrapped opens as before", async () => {
    const { path, options, names, log } = makePlace();
    const before = await openSecrets(options);
    const old = readFileSync(path, "utf8");
    const after = await changeSecret(options, null);
    expect(readFileSync(path, "utf8")).not.toBe(old);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(names()).toEqual(["controlplane.secret"]);
    expect(after.keyring.unwrap(before.keyring.wrap("x", "c"), "c")).toBe("x");
    expect(after.tokenKey).not.toEqual(before.tokenKey);
    expect(log.lines.some((line) => line.includes("cut off"))).toBe(false);
    await changeSecret(options, given);
    expect(readFileSync(path, "utf8")).toBe(`${given}\n`);
    expect(await thrown(changeSecret(options, given))).toBeInstanceOf(ControlError);
    expect(await thrown(changeSecret(options, "short"))).toBeInstanceOf(ControlError);
    expect(names()).toEqual(["controlplane.secret"]);
  });

  /** The steps of a change that reach the disk or the database; a crash comes before or after each. */
  const steps = ["prepare", "commit", "promote"] as const;
  for (const step of steps) {
    for (const when of ["before", "after"] as const) {
      test(`cut off ${when} the step ${step}, the next start finds a good secret, and everything opens`, async () => {
        const { options, db, files, names, path, log } = makePlace();
        const wrapped = (await openSecrets(options)).keyring.wrap("an NT hash", "user 1");
        const old = readFileSync(path, "utf8");
        const crash = () => {
          throw new Error("power cut");
        };
        const crashing: SecretFiles = Object.create(files);
        if (step === "commit") {
          // Only the rewrapping writes; the transactions before it read.
          const before = db.rowsOf(notes)[0]?.value;
          const transaction = db.transaction.bind(db);
          db.transaction = async (work) => {
            let wrote = false;
            const result = await transaction(async (tx) => {
              const value = await work({ ...bound(tx), update: async (...args) => { wrote = true; return await tx.update(...args); } } as typeof tx);
              if (wrote && when === "before") crash();
              return value;
            });
            if (wrote && when === "after") crash();
            return result;
          };
          expect(before).toBeDefined();
        } else {
          crashing[step] = ((secret: string) => {
            if (when === "after") files[step](secret);
            return crash();
          }) as never;
        }
        expect((await thrown(changeSecret({ ...options, files: crashing }, null))).message).toBe("power cut");
        db.transaction = MemoryDatabase.prototype.transaction;

        const after = await openSecrets(options);
        expect(after.keyring.unwrap(wrapped, "user 1")).toBe("an NT hash");
        const tookEffect = step === "promote" || (step === "commit" && when === "after");
        expect(readFileSync(path, "utf8") === old).toBe(!tookEffect);
        expect((await openSecrets(options)).tokenKey).toEqual(after.tokenKey);
        const begun = names().includes("controlplane.secret.next");
        expect(begun).toBe(!tookEffect && !(step === "prepare" && when === "before"));
        expect(log.lines.some((line) => line.includes("cut off before it took effect"))).toBe(begun);
        // Whatever was left does not stand in the way, and is finished.
        const finished = await changeSecret(options, null);
        expect(finished.keyring.unwrap(wrapped, "user 1")).toBe("an NT hash");
        expect(names()).toEqual(["controlplane.secret"]);
      });
    }
  }

  test("to a given one is refused while another change is not finished: the secret that was begun is not lost", async () => {
    const { options, files, names, path } = makePlace();
    await openSecrets(options);
    files.prepare(`${given}, begun`);
    const error = await thrown(changeSecret(options, given));
    expect(error).toMatchObject({ code: "conflict" });
    expect(error.message).toContain(`${path}.next`);
    expect(names()).toEqual(["controlplane.secret", "controlplane.secret.next"]);
    expect((await changeSecret(options, `${given}, begun`)).tokenKey).toEqual(tokenKeyOf(`${given}, begun`));
  });

  test("a next one that is no secret is refused by the file's name", async () => {
    const { options, path } = makePlace();
    await openSecrets(options);
    writeFileSync(`${path}.next`, "", { mode: 0o600 });
    await openSecrets(options);
    expect((await thrown(changeSecret(options, null))).message).toContain(`${path}.next`);
  });

  test("by two at once: one is refused, and everything opens under what is in the file", async () => {
    const { options } = makePlace();
    const wrapped = (await openSecrets(options)).keyring.wrap("x", "c");
    const results = await Promise.allSettled([changeSecret(options, null), changeSecret(options, null)]);
    expect(results.some((one) => one.status === "fulfilled")).toBe(true);
    expect((await openSecrets(options)).keyring.unwrap(wrapped, "c")).toBe("x");
  });
});

/** A transaction's methods as properties, so that one of them can be replaced. */
function bound<T extends object>(of: T): T {
  const methods = Object.getOwnPropertyNames(Object.getPrototypeOf(of)).filter((name) => name !== "constructor");
  return Object.fromEntries(methods.map((name) => [name, (of as Record<string, () => void>)[name]?.bind(of)])) as T;
}
