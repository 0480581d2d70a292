import { describe, expect, test } from "bun:test";
import { systemRandom } from "#base/random.ts";
import { DatabaseError, UniqueViolation } from "#control/database/port.ts";
import { blockStores, notes, users } from "#control/database/tables.ts";
import { ControlError } from "#control/errors.ts";
import { keyringState, openKeyring, opensKeyring, rotateSecret } from "#control/secrets/index.ts";
import { derive, open, seal } from "#control/secrets/seal.ts";
import { MemoryDatabase } from "../sessions/memory-database.ts";
import { aliceId, userRow } from "../sessions/world.ts";

const secret = "a control-plane secret of some length";
const other = "another control-plane secret, as long";

async function thrown(work: Promise<unknown>): Promise<Error> {
  const error: unknown = await work.then(
    () => null,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(Error);
  return error as Error;
}

describe("sealed text", () => {
  const key = derive(secret, new Uint8Array(0), "test");

  test("opens with its key and context alone, whatever it is", () => {
    for (const plain of ["", "x", "0123456789abcdef".repeat(1000), "ä\0\n😀"]) {
      const sealed = seal(key, plain, "user 1", systemRandom);
      expect(sealed).toStartWith("v1.");
      expect(open(key, sealed, "user 1")).toBe(plain);
      expect(open(key, sealed, "user 2")).toBe(null);
      expect(open(derive(other, new Uint8Array(0), "test"), sealed, "user 1")).toBe(null);
      expect(open(derive(secret, new Uint8Array(0), "other"), sealed, "user 1")).toBe(null);
    }
  });

  test("is another one each time", () => {
    expect(seal(key, "same", "user 1", systemRandom)).not.toBe(seal(key, "same", "user 1", systemRandom));
  });

  test("does not open once changed, cut or lengthened anywhere", () => {
    const sealed = seal(key, "something secret", "user 1", systemRandom);
    for (let i = 0; i < sealed.length; i++) {
      expect(open(key, sealed.slice(0, i) + (sealed[i] === "A" ? "B" : "A") + sealed.slice(i + 1), "user 1")).toBe(null);
      expect(open(key, sealed.slice(0, i), "user 1")).toBe(null);
    }
    for (const tail of ["A", "AAAA", "=", " ", "\n"]) expect(open(key, sealed + tail, "user 1")).toBe(null);
    for (const nonsense of ["", "v1.", "v2." + sealed.slice(3), "v1.AAAA", "x".repeat(100)]) expect(open(key, nonsense, "user 1")).toBe(null);
  });

  test("keys follow by HKDF-SHA256, as the example of RFC 5869 A.3", () => {
    const derived = derive(new Uint8Array(22).fill(0x0b), new Uint8Array(0), "");
    expect(Buffer.from(derived).toString("hex")).toBe("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
  });
});

describe("a keyring", () => {
  test("opens again what it wrapped, also after a restart", async () => {
    const db = new MemoryDatabase();
    expect(await keyringState(db)).toBe("absent");
    const wrapped = (await openKeyring(db, secret, systemRandom)).wrap("an NT hash", "user 1");
    expect(wrapped).not.toContain("NT hash");
    expect(await keyringState(db)).toBe("there");
    expect((await openKeyring(db, secret, systemRandom)).unwrap(wrapped, "user 1")).toBe("an NT hash");
    expect((await openKeyring(db, ` ${secret}\n`, systemRandom)).unwrap(wrapped, "user 1")).toBe("an NT hash");
  });

  test("refuses what it did not wrap, and says whose it is but not what", async () => {
    const keyring = await openKeyring(new MemoryDatabase(), secret, systemRandom);
    const wrapped = keyring.wrap("an NT hash", "user 1");
    for (const [text, context] of [[wrapped, "user 2"], ["", "user 2"], ["an NT hash", "user 2"]] as const) {
      expect(() => keyring.unwrap(text, context)).toThrow(DatabaseError);
      expect(() => keyring.unwrap(text, context)).toThrow(/user 2.*set it anew/);
    }
  });

  test("is another one in another database, and nothing of one opens in the other", async () => {
    const [one, two] = [new MemoryDatabase(), new MemoryDatabase()];
    const wrapped = (await openKeyring(one, secret, systemRandom)).wrap("x", "user 1");
    const keyring = await openKeyring(two, secret, systemRandom);
    expect(() => keyring.unwrap(wrapped, "user 1")).toThrow(DatabaseError);
    expect(one.rowsOf(notes)[0]?.value).not.toBe(two.rowsOf(notes)[0]?.value);
  });

  test("holds neither secret nor data key in the database", async () => {
    const db = new MemoryDatabase();
    await openKeyring(db, secret, { bytes: (length) => new Uint8Array(length).fill(0x41) });
    const text = JSON.stringify(db.rowsOf(notes));
    expect(text).not.toContain(secret);
    // The salt is drawn from the same bytes here and stands there once; the data key must not.
    expect(text.split("QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE").length - 1).toBe(1);
  });

  test("refuses another secret by the variable's name and changes nothing, however full the database is", async () => {
    const db = new MemoryDatabase();
    await openKeyring(db, secret, systemRandom);
    const before = db.rowsOf(notes);
    const error = await thrown(openKeyring(db, other, systemRandom));
    expect(error).toBeInstanceOf(DatabaseError);
    expect(error.message).toContain("DITTOFS_CONTROLPLANE_SECRET");
    expect(error.message).not.toContain(other);
    expect(db.rowsOf(notes)).toEqual(before);
    expect(await opensKeyring(db, secret)).toBe(true);
    expect(await opensKeyring(db, other)).toBe(false);
  });

  test("refuses a secret that is too short", async () => {
    const db = new MemoryDatabase();
    for (const short of ["", "x".repeat(31), ` ${"x".repeat(31)} `]) {
      const error = await thrown(openKeyring(db, short, systemRandom));
      expect(error).toBeInstanceOf(ControlError);
      expect(error.message).toContain("DITTOFS_CONTROLPLANE_SECRET");
    }
    expect(db.rowsOf(notes)).toEqual([]);
    await openKeyring(db, "x".repeat(32), systemRandom);
  });

  test("is never made anew for a database that holds users or secrets", async () => {
    const withUsers = new MemoryDatabase();
    await withUsers.transaction((tx) => tx.insert(users, userRow(aliceId, "alice")));
    const withSecrets = new MemoryDatabase();
    const store = { id: "s", name: "s3", type: "s3", config: {}, secrets: "v1.x", version: 1, createdAt: 0, updatedAt: 0 };
    await withSecrets.transaction((tx) => tx.insert(blockStores, store));
    for (const db of [withUsers, withSecrets]) {
      expect(await keyringState(db)).toBe("lost");
      const error = await thrown(openKeyring(db, secret, systemRandom));
      expect(error).toBeInstanceOf(DatabaseError);
      expect(error.message).toContain("DITTOFS_CONTROLPLANE_SECRET");
      expect(error.message).toContain("backup");
      expect(db.rowsOf(notes)).toEqual([]);
    }
    const withoutSecrets = new MemoryDatabase();
    await withoutSecrets.transaction((tx) => tx.insert(blockStores, { ...store, secrets: null }));
    expect(await keyringState(withoutSecrets)).toBe("absent");
  });

  test("that is damaged or of a newer version is refused as that", async () => {
    const db = new MemoryDatabase();
    await openKeyring(db, secret, systemRandom);
    const note = db.rowsOf(notes)[0]?.value as string;
    const put = (value: string) => db.transaction((tx) => tx.update(notes, { key: "keyring" }, { value }));
    for (const bad of ["", "v2.abc", note.slice(0, 20), note.replace(/^v1/, "v2")]) {
      await put(bad);
      expect((await thrown(openKeyring(db, secret, systemRandom))).message).toContain("newer version");
    }
    for (let i = 3; i < note.length; i += 7) {
      await put(note.slice(0, i) + (note[i] === "A" ? "B" : "A") + note.slice(i + 1));
      expect(await thrown(openKeyring(db, secret, systemRandom))).toBeInstanceOf(DatabaseError);
    }
    await put(note);
    await openKeyring(db, secret, systemRandom);
  });

  test("made by two nodes at once is one", async () => {
    const db = new MemoryDatabase();
    const [a, b] = await Promise.all([openKeyring(db, secret, systemRandom), openKeyring(db, secret, systemRandom)]);
    expect(b.unwrap(a.wrap("x", "user 1"), "user 1")).toBe("x");
    expect(db.rowsOf(notes).length).toBe(1);
  });

  test("made by another node between looking and writing is taken over", async () => {
    const db = new MemoryDatabase();
    const racing: MemoryDatabase = Object.create(db);
    let calls = 0;
    racing.transaction = async (work) => {
      if (++calls !== 2) return await db.transaction(work);
      await openKeyring(db, secret, systemRandom);
      throw new UniqueViolation("notes", null);
    };
    const keyring = await openKeyring(racing, secret, systemRandom);
    expect((await openKeyring(db, secret, systemRandom)).unwrap(keyring.wrap("x", "c"), "c")).toBe("x");
  });
});

test("a whole first start of another node between looking and writing is no lost keyring", async () => {
  const db = new MemoryDatabase();
  const racing: MemoryDatabase = Object.create(db);
  let calls = 0;
  racing.transaction = async (work) => {
    if (++calls === 2) {
      await openKeyring(db, secret, systemRandom);
      await db.transaction((tx) => tx.insert(users, userRow(aliceId, "alice")));
    }
    return await db.transaction(work);
  };
  const keyring = await openKeyring(racing, secret, systemRandom);
  expect((await openKeyring(db, secret, systemRandom)).unwrap(keyring.wrap("x", "c"), "c")).toBe("x");
});

describe("changing the secret", () => {
  test("wraps the data key anew: values open as before, under the new secret only", async () => {
    const db = new MemoryDatabase();
    const before = await openKeyring(db, secret, systemRandom);
    const wrapped = before.wrap("an NT hash", "user 1");
    await rotateSecret(db, secret, other, systemRandom);
    expect((await openKeyring(db, other, systemRandom)).unwrap(wrapped, "user 1")).toBe("an NT hash");
    expect(before.unwrap(wrapped, "user 1")).toBe("an NT hash");
    expect(await thrown(openKeyring(db, secret, systemRandom))).toBeInstanceOf(DatabaseError);
  });

  test("is refused with a wrong, short or equal secret, or before there is a keyring, and changes nothing", async () => {
    const db = new MemoryDatabase();
    expect(await thrown(rotateSecret(db, secret, other, systemRandom))).toBeInstanceOf(DatabaseError);
    await openKeyring(db, secret, systemRandom);
    const before = db.rowsOf(notes);
    expect(await thrown(rotateSecret(db, other, `${secret}!`, systemRandom))).toBeInstanceOf(DatabaseError);
    expect(await thrown(rotateSecret(db, secret, "short", systemRandom))).toBeInstanceOf(ControlError);
    expect(await thrown(rotateSecret(db, secret, secret, systemRandom))).toBeInstanceOf(ControlError);
    expect(db.rowsOf(notes)).toEqual(before);
  });

  test("cut off before its commit leaves the old secret, after it the new one", async () => {
    for (const at of ["beforeCommit", "afterCommit"] as const) {
      const db = new MemoryDatabase();
      await openKeyring(db, secret, systemRandom);
      db[at] = () => {
        db[at] = () => {};
        throw new Error("connection lost");
      };
      await thrown(rotateSecret(db, secret, other, systemRandom));
      expect(await opensKeyring(db, secret)).toBe(at === "beforeCommit");
      expect(await opensKeyring(db, other)).toBe(at === "afterCommit");
    }
  });
});
