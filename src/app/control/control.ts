import { existsSync } from "node:fs";
import { clientsByDefault, type Config, formatDuration, type Loaded, processEnvironment, recordOverheadBytesMax, sharesMax, thisMachine } from "#config/index.ts";
import { type AdapterOverride, type AdapterOverrides, type AdapterPlan, type AdapterType, type ControlPlane, type Failure, type FieldError, openControlPlane, type SettingValue } from "#control/index.ts";
import { openPasswords } from "#control/passwords/index.ts";
import type { FirstStart } from "#control/start/index.ts";
import { openSecrets, SecretDirectory } from "#control/secrets/index.ts";
import { revisionOf } from "#control/state/index.ts";
import { openLogins } from "#control/sessions/index.ts";
import type { LoginAttempts } from "#model/identity.ts";
import { adminPasswordFile, forgetAdminPassword, keepAdminPassword } from "./admin-password.ts";
import { openControlDatabase } from "./control-database.ts";
import { Lifecycle } from "../process/lifecycle.ts";
import { refuseLostControl } from "./lost-control.ts";
import type { Surroundings } from "../share/open-share.ts";
import { resolveName } from "./resolve-name.ts";
import type { ServerRuntime } from "../server/runtime.ts";

/** The control plane of a server. */
export interface RunningControl {
  readonly plane: ControlPlane;
  /** What is said of a first start, and null at every other; with the password it made up where a person at a terminal reads it. */
  readonly firstWords: ((person: boolean) => string) | null;
  /** Notes which tree a share is, where that is not known; gives what is known then. */
  identify(shareId: string, instance: string): Promise<string>;
  readonly attempts: LoginAttempts;
  /** Asks the runtime for everything that should run; gives what failed. */
  start(): Promise<readonly Failure[]>;
  stop(leftMs: number): Promise<boolean>;
}

export interface ControlParts {
  readonly loaded: Loaded;
  readonly runtime: ServerRuntime;
  readonly around: Surroundings;
  /** Begin one although there are files of shares. */
  readonly begin: boolean;
}

/** Opens the control plane of a configuration: its database, its secrets, its rows, its log-ins. */
export async function openControl(given: ControlParts): Promise<RunningControl> {
  const { loaded, around } = given;
  const parts = new Lifecycle(around.clock, around.logger);
  try {
    return await open(given, parts);
  } catch (error) {
    await parts.stop(loaded.config.server.shutdown_timeout);
    throw error;
  }
}

async function open({ loaded, runtime, around, begin }: ControlParts, parts: Lifecycle): Promise<RunningControl> {
  const { config } = loaded;
  const { clock, random } = around;
  const logger = around.logger.child({ part: "control" });
  // A refused start must leave nothing in the place where the lost one belongs.
  if (!begin && config.database.type === "sqlite" && !existsSync(config.database.sqlite.path)) refuseLostControl(config);
  const database = await openControlDatabase(config, { clock, logger });
  parts.started("control-plane database", () => database.close());
  if (!begin && (await database.transaction(revisionOf)) === 0) refuseLostControl(config);
  const given = config.controlplane.secret === "" ? null : config.controlplane.secret;
  const { keyring, tokenKey } = await openSecrets({ db: database, given, files: new SecretDirectory(config.data_dir, random), random, logger });
  const passwords = openPasswords({ clock });
  let kept = false;
  const control = await openControlPlane({
    database,
    runtime,
    passwords,
    keyring,
    clock,
    random,
    logger,
    machine: thisMachine(processEnvironment()),
    dataDirectory: config.data_dir,
    clientsByDefault: (bind) => clientsByDefault(bind, config.allowed_clients),
    fileShares: config.shares,
    fileSharesGiven: loaded.origins.has("shares"),
    adapterOverrides: overridesOf(loaded),
    settingDefaults: { "logging.level": config.logging.level, "logging.slow_operations": formatDuration(config.logging.slow_operations) },
    checkAdapter: (plan) => checkAdapter(config, plan, runtime.shareCount),
    adminPassword: config.admin.initial_password === "" ? null : config.admin.initial_password,
    keepAdminPassword: (password) => {
      keepAdminPassword(config.data_dir, password);
      kept = true;
    },
    onPasswordSet: (user) => {
      if (user === adminName && forgetAdminPassword(config.data_dir)) logger.info({}, "the first administrator's password was changed: its file is gone");
    },
    resolve: resolveName,
  });
  parts.started("control plane", () => control.close());
  for (const warning of control.warnings) logger.warn({}, warning);
  const { access_token_duration, refresh_token_duration } = config.controlplane;
  const lifetimes = { accessSec: Math.floor(access_token_duration / 1000), refreshSec: Math.floor(refresh_token_duration / 1000) };
  const logins = await openLogins({ db: database, directory: control.directory, passwords, tokenKey, clock, random, logger, audit: (event) => control.auditLogin(event), lifetimes });
  parts.started("log-ins", () => logins.close());
  const { firstStart } = control;
  if (firstStart !== null) logger.info({ database: database.type, administrator: firstStart.admin.name, imported: firstStart.imported, from: loaded.file }, "first start of this control plane: shares of the configuration were taken over; from here on the control plane rules");
  // Another node made the administrator at the same moment, with a password of its own.
  else if (kept) forgetAdminPassword(config.data_dir);
  else forgetStale(control.services, config.data_dir);
  return {
    plane: { ...control.services, logins },
    attempts: logins.attempts,
    firstWords: firstStart === null ? null : (person) => firstWords(firstStart, loaded, person),
    identify: (shareId, instance) => control.identify(shareId, instance),
    start: () => control.start(),
    stop: (leftMs) => parts.stop(leftMs),
  };
}

const adminName = "admin";

/** The password was changed without this server: while it was stopped, or by another node. */
function forgetStale({ users }: Omit<ControlPlane, "logins">, dataDirectory: string): void {
  const admin = users.list().find((user) => user.name === adminName);
  if (admin === undefined || !admin.mustChangePassword) forgetAdminPassword(dataDirectory);
}

/** Anything but a terminal may be a journal or a log, which others read and which is kept: there the password is only in its file. */
function firstWords({ admin, imported }: FirstStart, { config, file }: Loaded, person: boolean): string {
  const kept = adminPasswordFile(config.data_dir);
  const generated = person ? `${admin.password}  (to be changed at the first log-in; until then also in ${kept})` : `in ${kept}, to be changed at the first log-in`;
  const from = file === null ? "" : ` from ${file}`;
  return `\nfirst start of this control plane; shares taken over${from}: ${imported.join(", ")}. From now on they are changed with \`dittofs share\`.\nadministrator: ${admin.name}\npassword:      ${admin.generated ? generated : "as it was given"}\n`;
}

/** The adapters' options that flag, environment or file give: for this run they win over what the control plane has. */
function overridesOf({ config, origins }: Loaded): AdapterOverrides {
  const overrides = new Map<AdapterType, AdapterOverride>();
  for (const [type, fields] of Object.entries(config.adapters)) {
    const given: Record<string, SettingValue> = {};
    const walk = (section: object, path: string, name: string): void => {
      for (const [key, value] of Object.entries(section)) {
        if (typeof value === "object") walk(value as object, `${path}.${key}`, `${name}${key}_`);
        else if (origins.has(`${path}.${key}`)) given[`${name}${key}`] = value as SettingValue;
      }
    };
    walk(fields, `adapters.${type}`, "");
    const { enabled, port, ...settings } = given;
    if (Object.keys(given).length === 0) continue;
    overrides.set(type as AdapterType, { ...(enabled === undefined ? {} : { enabled: enabled as boolean }), ...(port === undefined ? {} : { port: port as number }), settings });
  }
  return overrides;
}

/** What is wrong with an adapter's values together with the rest of the configuration. */
function checkAdapter(config: Config, { type, settings }: AdapterPlan, shares: number): readonly FieldError[] {
  const field = type === "nfs" ? "max_write_size" : "max_transfer_size";
  const writeMax = Number(settings[field]);
  const faults: FieldError[] = [];
  if (writeMax + recordOverheadBytesMax > config.cache.log_segment_size) faults.push({ field, message: "must fit into one segment of the write-ahead log (cache.log_segment_size)" });
  if (sharesMax(config, writeMax) < shares) faults.push({ field, message: `must leave each of ${shares} shares room for two writes in cache.dirty_limit` });
  return faults;
}
