import { existsSync, linkSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { keepAlive, systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import type { BackupRestored, BackupWritten, ControlPlaces, Offline, SecretRotated } from "#cli/ports.ts";
import type { Config, Loaded } from "#config/index.ts";
import { ControlError, resetPasswordOffline, restoreBackup } from "#control/index.ts";
import { type ControlDatabase, UnreadableDatabase } from "#control/database/port.ts";
import { openPasswords } from "#control/passwords/index.ts";
import { changeSecret, openSecrets, opensKeyring, SecretDirectory, type SecretOptions } from "#control/secrets/index.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { adminPasswordFile, forgetAdminPassword } from "../control/admin-password.ts";
import { examineControlDatabase, openControlDatabase } from "../control/control-database.ts";
import { makeDirectory, syncDirectory } from "../process/durable-files.ts";
import { DirectoryLock, findInstance } from "../process/instance.ts";
import { refuseLostControl } from "../control/lost-control.ts";

const clock = systemClock;
const random = systemRandom;
const logger = silentLogger;

/**
 * What is done to a control plane's database without its server: everything here holds the data directory's lock where a server's memory
 * would be wrong afterwards. What is large is loaded when it is asked for: a server loads all this, too, and needs none of it.
 */
export const offline: Offline = {
  places,
  examine: ({ config }) => explained(() => examine(config)),
  resetPassword: (loaded, username) =>
    alone(loaded, "its password would be changed under it", () =>
      withDatabase(loaded.config, async (database) => {
        const { keyring } = await openSecrets(secretOptions(loaded.config, database));
        const password = await resetPasswordOffline(database, { passwords: openPasswords({ clock }), keyring, clock, random }, username);
        // What lay there is no password any more.
        forgetAdminPassword(loaded.config.data_dir);
        return { username, password };
      }),
    ),
  rotateSecret: (loaded, next) => alone(loaded, "it would go on with the old secret", () => withDatabase(loaded.config, (database) => rotate(loaded.config, database, next))),
  backup: (loaded, file) => explained(() => withDatabase(loaded.config, (database) => backup(database, file))),
  async recover(loaded, request, tell) {
    const work = async () => (await import("./recover.ts")).recoverShare(loaded, request, tell);
    // What was never a server's has nobody to be kept from, and is left as it is.
    if (request.dryRun && !DirectoryLock.isKnown(loaded.config.data_dir)) return await explained(work);
    return await alone(loaded, "the share would be opened under it", work);
  },
  restore(loaded, file, { force }) {
    const work = () => restore(loaded.config, file, force);
    return force ? explained(work) : alone(loaded, "shares would be opened and closed, and everybody logged out, under it (--force restores nevertheless: it takes the backup up within a second)", work);
  },
  work: (loaded, what, told) => alone(loaded, "leave out --offline to have it do the work", async () => (await import("./offline-work.ts")).workOffline(loaded, what, told)),
};

function places({ config }: Loaded): ControlPlaces {
  return {
    databaseFile: config.database.type === "sqlite" ? config.database.sqlite.path : null,
    secretFile: config.controlplane.secret === "" ? secretFiles(config).path : null,
    initialPasswordFile: existsSync(adminPasswordFile(config.data_dir)) ? adminPasswordFile(config.data_dir) : null,
  };
}

async function examine(config: Config): Promise<string | null> {
  const { type, sqlite, postgres } = config.database;
  const lacks = await examineControlDatabase(config, clock);
  if (lacks === null) {
    refuseLostControl(config);
    return null;
  }
  const name = type === "sqlite" ? sqlite.path : `"${postgres.database}" on ${postgres.host === "" ? "this machine" : postgres.host}`;
  return `${name} ${lacks === 0 ? "is of this program's schema" : `is brought up to date by ${lacks} ${lacks === 1 ? "step" : "steps"} at the next start`}`;
}

/** Does something while no server runs on the data directory; `why` says what would become of one. */
async function alone<T>({ config }: Loaded, why: string, work: () => Promise<T>): Promise<T> {
  makeDirectory(config.data_dir);
  const running = findInstance(config.data_dir);
  const lock = running === null ? DirectoryLock.take(config.data_dir, process.pid) : running.pid;
  if (typeof lock === "number") throw new Error(`a server runs on ${config.data_dir}${lock === 0 ? "" : ` (pid ${lock})`}: ${why}. Stop it first: dittofs stop --data-dir ${config.data_dir}`);
  try {
    return await explained(work);
  } finally {
    lock.release();
  }
}

/** An error's hint is for whoever reads it, too. */
async function explained<T>(work: () => Promise<T>): Promise<T> {
  const alive = keepAlive();
  try {
    return await work();
  } catch (error) {
    if (error instanceof ControlError && error.hint !== null) throw new Error(`${error.message}${/[.!?]$/.test(error.message) ? "" : ";"} ${error.hint}`, { cause: error });
    throw error;
  } finally {
    alive.cancel();
  }
}

async function withDatabase<T>(config: Config, work: (database: ControlDatabase) => Promise<T>): Promise<T> {
  const { type, sqlite } = config.database;
  if (type === "sqlite" && !existsSync(sqlite.path)) {
    throw new Error(`there is no control-plane database ${sqlite.path}; name the server's --data-dir or --config, or start the server once: that makes it`);
  }
  const database = await openControlDatabase(config, { clock, logger });
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

function secretFiles(config: Config): SecretDirectory {
  return new SecretDirectory(config.data_dir, random);
}

function givenSecret(config: Config): string | null {
  return config.controlplane.secret === "" ? null : config.controlplane.secret;
}

function secretOptions(config: Config, db: ControlDatabase): SecretOptions {
  return { db, given: givenSecret(config), files: secretFiles(config), random, logger };
}

async function rotate(config: Config, database: ControlDatabase, next: string | null): Promise<SecretRotated> {
  const options = secretOptions(config, database);
  await changeSecret(options, next);
  // One data key wraps everything else.
  return { rewrapped: 1, secretFile: options.given === null ? options.files.path : null };
}

async function backup(database: ControlDatabase, file: string): Promise<BackupWritten> {
  if (existsSync(file)) throw new Error(`${file} is there already; name another file, or move that one away`);
  const { backupControl, checkBackup } = await import("#control/database/backup.ts");
  await backupControl(database, file, clock);
  const { schema } = await checkBackup(file, { clock, logger });
  return { file, bytes: statSync(file).size, schemaVersion: schema };
}

async function restore(config: Config, file: string, force: boolean): Promise<BackupRestored> {
  // Without force the lock of the data directory is ours.
  const runs = force && findInstance(config.data_dir) !== null;
  // A server that runs could open nothing that is sealed any more.
  if (!force || runs) await checkSecretOf(config, file);
  try {
    return await replace(config, file);
  } catch (error) {
    if (runs || config.database.type !== "sqlite" || !(error instanceof UnreadableDatabase)) throw error;
    return await replaceUnreadable(config, file, error);
  }
}

/** Puts a backup in the place of a database that can be read, of which a copy is kept. */
async function replace(config: Config, file: string): Promise<BackupRestored> {
  const { backupControl } = await import("#control/database/backup.ts");
  const { type, sqlite } = config.database;
  const fresh = type === "sqlite" && !existsSync(sqlite.path);
  const database = await openControlDatabase(config, { clock, logger });
  try {
    const before = fresh ? null : unused(join(config.data_dir, `controlplane-before-restore-${clock.now().sec}`), ".backup");
    if (before !== null) await backupControl(database, before, clock);
    return restored(await restoreBackup(database, file, { clock, logger }), before);
  } finally {
    await database.close();
  }
}

/**
 * Makes a database of the backup beside one that can't be read, then swaps them; the old one is kept. Cut off anywhere, one of the two
 * has the name: a start must never find none and begin anew. Throws `why` where the backup can't be made into one either.
 */
async function replaceUnreadable(config: Config, file: string, why: UnreadableDatabase): Promise<BackupRestored> {
  const { path } = config.database.sqlite;
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) throw why;
  const made = unused(`${path}.restoring-${clock.now().sec}`, "");
  const before = unused(`${path}.replaced-${clock.now().sec}`, "");
  const database = await openControlDatabase({ ...config, database: { ...config.database, sqlite: { ...config.database.sqlite, path: made } } }, { clock, logger });
  try {
    const summary = await restoreBackup(database, file, { clock, logger });
    await database.close();
    // Beside the new database these would be taken for its own.
    for (const part of ["-wal", "-shm"]) if (existsSync(path + part)) renameSync(path + part, before + part);
    linkSync(path, before);
    renameSync(made, path);
    syncDirectory(dirname(path));
    return restored(summary, before);
  } finally {
    await database.close();
    for (const part of ["", "-wal", "-shm"]) rmSync(made + part, { force: true });
  }
}

function restored({ rows, schema }: { readonly rows: Readonly<Record<string, number>>; readonly schema: number }, before: string | null): BackupRestored {
  return { users: rows["users"] ?? 0, shares: rows["shares"] ?? 0, schemaVersion: schema, before };
}

/** A path where nothing is: the second restore of a second must not take the place of what the first one kept. */
function unused(path: string, end: string): string {
  for (let i = 1; ; i++) {
    const name = `${path}${i === 1 ? "" : `-${i}`}${end}`;
    if (!existsSync(name)) return name;
  }
}

/** A backup that was made under another secret would keep the server from starting. */
async function checkSecretOf(config: Config, file: string): Promise<void> {
  const { loadBackup } = await import("#control/database/backup-scratch.ts");
  const secret = givenSecret(config) ?? secretFiles(config).current();
  const loaded = await loadBackup(file, { clock, logger });
  try {
    if (secret !== null && (await opensKeyring(loaded.database, secret))) return;
  } finally {
    await loaded.close();
  }
  throw new Error(
    `${file} was made under another control-plane secret than ${secret === null ? "any that is here" : "the one in use"}, so that the server could not start with it. ` +
      `Set DITTOFS_CONTROLPLANE_SECRET to the secret it was made with, or put the file controlplane.secret that belongs to it into ${config.data_dir}; --force restores it as it is, where no server runs. Nothing was changed`,
  );
}
