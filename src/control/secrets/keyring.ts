import type { Random } from "#base/random.ts";
import { blockStores, metadataStores, notes, users } from "../database/tables.ts";
import { type ControlDatabase, DatabaseError, type Transaction, UniqueViolation } from "../database/port.ts";
import { ControlError } from "../errors.ts";
import { derive, fromText, keyBytes, open, seal, toText } from "./seal.ts";

/** Wraps values for the database. `context` says what a value belongs to; it opens under the same one only. */
export interface Keyring {
  wrap(plain: string, context: string): string;
  /** Throws DatabaseError for what this keyring did not wrap under this context. */
  unwrap(wrapped: string, context: string): string;
}

export const secretVariable = "DITTOFS_CONTROLPLANE_SECRET";
export const secretCharactersMin = 32;

/**
 * The note `keyring` is `v1.SALT.SEALED`: 32 random bytes of salt in base64url, and the data key (base64url) sealed by the key
 * that follows from the secret and this salt. The salt keeps two databases under one secret apart.
 */
const noteKey = "keyring";
const notePattern = /^v1\.([A-Za-z0-9_-]{43})\.(v1\..+)$/;
const notePurpose = "dittofs control plane keyring v1";

/** What of a database says whether it is new. */
export type KeyringState = "there" | "absent" | "lost";

class DataKeyring implements Keyring {
  readonly #dataKey: Uint8Array;
  readonly #random: Random;

  constructor(dataKey: Uint8Array, random: Random) {
    this.#dataKey = dataKey;
    this.#random = random;
  }

  wrap(plain: string, context: string): string {
    return seal(this.#dataKey, plain, context, this.#random);
  }

  unwrap(wrapped: string, context: string): string {
    const plain = open(this.#dataKey, wrapped, context);
    if (plain !== null) return plain;
    throw new DatabaseError(`the secret of ${context} in the control-plane database is damaged or was put there by hand; set it anew, or restore a backup of the database`);
  }
}

/** The secret as it is used: white space around it, as a file or a shell leaves it, does not count. Refuses one that is too short. */
export function checkSecret(secret: string, source: string): string {
  const trimmed = secret.trim();
  if (trimmed.length >= secretCharactersMin) return trimmed;
  throw new ControlError(
    "invalid_value",
    `${source} has ${trimmed.length} characters; the control-plane secret (${secretVariable}) needs ${secretCharactersMin} at least. Make one with: openssl rand -base64 32`,
  );
}

/** The keyring of a database, made in an empty one. Refuses another secret than the one it was made with. */
export async function openKeyring(db: ControlDatabase, secret: string, random: Random): Promise<Keyring> {
  const checked = checkSecret(secret, secretVariable);
  const note = (await noteOf(db)) ?? (await makeNote(db, checked, random));
  return new DataKeyring(openNote(note, checked), random);
}

/** Whether a keyring is there, was never made, or is missing in a database that needs one. */
export async function keyringState(db: ControlDatabase): Promise<KeyringState> {
  return await db.transaction(async (tx) => ((await readNote(tx)) !== null ? "there" : (await needsKeyring(tx)) ? "lost" : "absent"));
}

/** Whether `secret` opens the database's keyring; one that is absent is opened by any. */
export async function opensKeyring(db: ControlDatabase, secret: string): Promise<boolean> {
  const note = await noteOf(db);
  return note === null || tryNote(note, secret.trim()) !== null;
}

/** Wraps the data key for another secret; everything wrapped by it stays as it is. All of it is done when this resolves, or nothing. */
export async function rotateSecret(db: ControlDatabase, old: string, next: string, random: Random): Promise<void> {
  const to = checkSecret(next, "the new secret");
  if (to === old.trim()) throw new ControlError("invalid_value", "the new control-plane secret is the old one; give another");
  await db.transaction(async (tx) => {
    const note = await readNote(tx);
    if (note === null) throw new DatabaseError("the control-plane database has no keyring yet; start the server once before changing its secret");
    await tx.update(notes, { key: noteKey }, { value: noteFor(openNote(note, old.trim()), to, random) });
  });
}

async function readNote(tx: Transaction): Promise<string | null> {
  return (await tx.one(notes, { key: noteKey }))?.value ?? null;
}

async function noteOf(db: ControlDatabase): Promise<string | null> {
  return await db.transaction(readNote);
}

/** Users have NT hashes and stores secrets: without their keyring a new one would only hide the loss. */
async function needsKeyring(tx: Transaction): Promise<boolean> {
  const { total } = await tx.page(users, {}, { orderBy: "id", descending: false, offset: 0, limit: 1 });
  if (total > 0) return true;
  const stores = [...(await tx.all(metadataStores)), ...(await tx.all(blockStores))];
  return stores.some((store) => store.secrets !== null);
}

async function makeNote(db: ControlDatabase, secret: string, random: Random): Promise<string> {
  const made = noteFor(random.bytes(keyBytes), secret, random);
  try {
    return await db.transaction(async (tx) => {
      const there = await readNote(tx);
      if (there !== null) return there;
      if (await needsKeyring(tx)) throw lostKeyring();
      await tx.insert(notes, { key: noteKey, value: made });
      return made;
    });
  } catch (error) {
    // Another node made it at the same moment.
    const there = error instanceof UniqueViolation ? await noteOf(db) : null;
    if (there === null) throw error;
    return there;
  }
}

export function lostKeyring(): DatabaseError {
  return new DatabaseError(
    `the control-plane database holds users but no keyring to read their secrets with: it was changed by hand or restored in part. Restore a whole backup of it. ${secretVariable} can't help here, and nothing was changed`,
  );
}

function noteFor(dataKey: Uint8Array, secret: string, random: Random): string {
  const salt = random.bytes(keyBytes);
  return `v1.${toText(salt)}.${seal(derive(secret, salt, notePurpose), toText(dataKey), noteKey, random)}`;
}

/** The data key, or null under another secret. */
function tryNote(note: string, secret: string): Uint8Array | null {
  const [, saltText, sealed] = notePattern.exec(note) ?? [];
  const salt = saltText === undefined ? null : fromText(saltText);
  if (salt === null || sealed === undefined) {
    throw new DatabaseError("the keyring of the control-plane database is damaged, or of a newer version of dittofs: restore a backup of the database, or run the version that wrote it");
  }
  const text = open(derive(secret, salt, notePurpose), sealed, noteKey);
  const dataKey = text === null ? null : fromText(text);
  return dataKey?.length === keyBytes ? dataKey : null;
}

function openNote(note: string, secret: string): Uint8Array {
  const dataKey = tryNote(note, secret);
  if (dataKey !== null) return dataKey;
  throw new DatabaseError(
    `the control-plane database was made with another secret than the one in use. Set ${secretVariable} to the secret it was made with, the same on every node; if it was made without that variable, unset it, so that the file controlplane.secret of the data directory is used. Nothing was changed`,
  );
}
