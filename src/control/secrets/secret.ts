import type { Random } from "#base/random.ts";
import type { Logger } from "#telemetry/logger.ts";
import { type ControlDatabase, DatabaseError } from "../database/port.ts";
import { ControlError } from "../errors.ts";
import { type Keyring, checkSecret, keyringState, lostKeyring, openKeyring, opensKeyring, rotateSecret, secretVariable } from "./keyring.ts";
import { derive, keyBytes, toText } from "./seal.ts";
import type { SecretFiles } from "./secret-file.ts";

export interface SecretOptions {
  readonly db: ControlDatabase;
  /** What the environment gives; null: nothing, the file is used. */
  readonly given: string | null;
  readonly files: SecretFiles;
  readonly random: Random;
  readonly logger: Logger;
}

/** What follows from the control-plane secret. */
export interface ControlSecrets {
  readonly keyring: Keyring;
  /** Signs the tokens. Another secret, another key: changing the secret ends every session. */
  readonly tokenKey: Uint8Array;
}

const tokenPurpose = "dittofs control plane tokens v1";

/**
 * The secrets of this server. A secret that is given is used; else the one in the data directory, which is made at the first start.
 * Where a change was cut off, the database says which of the two is in use.
 */
export async function openSecrets(options: SecretOptions): Promise<ControlSecrets> {
  const secret = options.given === null ? await secretOfFile(options) : checkSecret(options.given, secretVariable);
  return { keyring: await openKeyring(options.db, secret, options.random), tokenKey: tokenKeyOf(secret) };
}

/**
 * Changes the secret: to `next`, or to a random one. Where the environment gives the secret, `next` has to be given, and whoever
 * runs the server has to change the environment. Cut off anywhere, the next start finds the secret that is good.
 */
export async function changeSecret(options: SecretOptions, next: string | null): Promise<ControlSecrets> {
  const { db, files, given, random } = options;
  if (given !== null) {
    if (next === null) throw new ControlError("invalid_value", `the secret comes from ${secretVariable}: give the new one, and set the variable to it before the next start`);
    await rotateSecret(db, checkSecret(given, secretVariable), next, random);
    return await openSecrets({ ...options, given: next });
  }
  const secret = await secretOfFile(options);
  await openKeyring(db, secret, random);
  if (next !== null && checkSecret(next, "the new secret") === secret) throw new ControlError("invalid_value", "the new control-plane secret is the old one; give another");
  const to = prepare(options, next);
  // Should this fail, it may have happened nevertheless (a connection lost at the commit): what was prepared stays.
  await rotateSecret(db, secret, to, random);
  files.promote();
  return await openSecrets(options);
}

/**
 * The secret to change to, durable beside the current one. What an earlier change left is never deleted, as the database may be under
 * it by the time somebody looks, but taken up again.
 */
function prepare({ files, random }: SecretOptions, next: string | null): string {
  const wanted = next === null ? randomSecret(random) : checkSecret(next, "the new secret");
  if (files.prepare(wanted)) return wanted;
  const left = checkSecret(files.next() ?? "", files.nextPath);
  if (next === null || left === wanted) return left;
  throw new ControlError("conflict", `a change to another secret was begun and not finished: it is in ${files.nextPath}. Run dittofs settings rotate-secret without a secret to finish that one, and then change to yours`);
}

export function tokenKeyOf(secret: string): Uint8Array {
  return derive(secret.trim(), new Uint8Array(0), tokenPurpose);
}

function randomSecret(random: Random): string {
  return toText(random.bytes(keyBytes));
}

async function secretOfFile(options: SecretOptions): Promise<string> {
  const { db, files, random, logger } = options;
  const state = await keyringState(db);
  if (state === "lost") throw lostKeyring();
  const current = files.current();
  const next = files.next();
  if (state === "there") return await settle(options, current, next);
  if (current !== null) return checkSecret(current, files.path);
  const made = files.create(randomSecret(random));
  logger.warn({ file: files.path }, `No ${secretVariable} is set: made a random control-plane secret in this file. Keep it with your backups; the database can't be used without it`);
  return checkSecret(made, files.path);
}

/** Which of the two secrets the database is under. */
async function settle({ db, files, logger }: SecretOptions, current: string | null, next: string | null): Promise<string> {
  if (current !== null && (await opensKeyring(db, current))) {
    if (next !== null) logger.warn({ file: files.nextPath }, "A change of the control-plane secret was cut off before it took effect; the old one stays in use. To finish it, run: dittofs settings rotate-secret");
    return current;
  }
  if (next !== null && (await opensKeyring(db, next))) {
    files.promote();
    logger.warn({ file: files.path }, "A change of the control-plane secret was cut off after it took effect; the new secret is in place");
    return next;
  }
  if (current === null) {
    throw new DatabaseError(
      `the control-plane database was made with a secret that is not here: ${secretVariable} is not set and there is no ${files.path}. Set the variable to the secret the database was made with, or restore that file. Nothing was changed`,
    );
  }
  throw new DatabaseError(
    `the secret in ${files.path} is not the one the control-plane database was made with. Set ${secretVariable} to the right one, or restore the file that belongs to the database. Nothing was changed`,
  );
}
