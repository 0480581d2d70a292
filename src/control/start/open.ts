import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import type { Machine } from "#config/index.ts";
import type { Logger } from "#telemetry/logger.ts";
import { AccessViews, Directory, GroupService, UserService } from "../access/index.ts";
import type { ControlDatabase } from "../database/port.ts";
import { Effects, effectiveClients, Identities, KnownAccounts, SharePlans, type ShareRow } from "../effects/index.ts";
import type { FieldError } from "../errors.ts";
import type { Passwords } from "../passwords/index.ts";
import type { AdapterPlan, Desired, Failure, Runtime } from "../runtime.ts";
import type { Keyring } from "../secrets/index.ts";
import { type AdapterOverrides, AdapterService, AuditLog, HostNames, NetgroupService, type Resolve, type SettingDefaults, SettingService } from "../server/index.ts";
import type { ControlPlane } from "../services.ts";
import type { LoginDirectory, LoginEvent } from "../sessions/port.ts";
import { Changes, State } from "../state/index.ts";
import { ShareIdentities, ShareService, ShareViews, StoreChecks, StorePlans, StoreService } from "../storage/index.ts";
import { differing } from "./file-shares.ts";
import { type FirstStart, firstStart } from "./first-start.ts";
import { Follower } from "./follower.ts";
import type { FileShare } from "./import-shares.ts";
import { DesiredState } from "./desired.ts";

export interface ControlOptions {
  /** Opened and migrated; closed by whoever opened it, after this. */
  readonly database: ControlDatabase;
  readonly runtime: Runtime;
  readonly passwords: Passwords;
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly machine: Machine;
  readonly dataDirectory: string;
  /** Who is let into shares without a list of their own, where NFS listens on this address. */
  readonly clientsByDefault: (bind: string) => readonly string[];
  /** The shares of the configuration, and whether the file names them: only then are they compared with the database. */
  readonly fileShares: readonly FileShare[];
  readonly fileSharesGiven: boolean;
  readonly adapterOverrides: AdapterOverrides;
  /** What holds for settings that nobody set. */
  readonly settingDefaults: SettingDefaults;
  /** What is wrong with an adapter's values together with the rest of the configuration, by setting. */
  readonly checkAdapter: (plan: AdapterPlan) => readonly FieldError[];
  /** For the first start; null: one is made. */
  readonly adminPassword: string | null;
  /** Given a password that was made for the first start before it is stored: nobody else knows it. */
  readonly keepAdminPassword: (password: string) => void;
  /** A user's password is another now. */
  readonly onPasswordSet: (user: string) => void;
  readonly resolve: Resolve;
}

/** Everything but log-ins, which are made over `directory`. */
export type Services = Omit<ControlPlane, "logins">;

export interface OpenControl {
  readonly services: Services;
  readonly directory: LoginDirectory;
  /** Null but at the very first start. */
  readonly firstStart: FirstStart | null;
  /** What an operator should know. */
  readonly warnings: readonly string[];
  desired(): Desired;
  /** Notes which tree a share is, where that is not known; gives what is known then. */
  identify(shareId: string, instance: string): Promise<string>;
  /** Asks the runtime for everything, and follows the database, host names and stores from then on; gives what failed. */
  start(): Promise<readonly Failure[]>;
  /** A line of the audit log about a log-in. */
  auditLogin(event: LoginEvent): Promise<void>;
  /** Waits for the change under way; later ones are refused. */
  close(): Promise<void>;
}

/** Reads the control plane into memory, filling a new database first. Nothing is asked of the runtime yet. */
export async function openControlPlane(options: ControlOptions): Promise<OpenControl> {
  const { database, clock, logger } = options;
  const state = new State();
  await state.load(database);
  const changes = new Changes(state, database, clock, logger);
  const parts = assemble(options, state, changes);
  const { core, desired, byDefault } = parts;
  const first = await firstStart({ ...core, passwords: options.passwords, keyring: options.keyring, clientsByDefault: byDefault(), keepPassword: options.keepAdminPassword }, options.fileShares, options.adminPassword);
  const differ = first === null && options.fileSharesGiven ? differing(state, options.fileShares, byDefault()) : [];
  const { effects, hostNames, storeChecks, services, directory, audit, identities } = parts;
  const follower = new Follower(changes, clock, logger);
  return {
    services,
    directory,
    firstStart: first,
    warnings: differ.length === 0 ? [] : [fileIgnored(differ)],
    desired: () => desired.current(),
    identify: (shareId, instance) => identities.note(shareId, instance),
    async start() {
      identities.allowAll();
      changes.whenMoved(() => {
        hostNames.lookForNew();
        void effects.bringAndLog("a change of another node");
      });
      hostNames.start();
      follower.start();
      audit.start();
      const failures = await effects.bring();
      storeChecks.start();
      return failures;
    },
    auditLogin: (event) => audit.login(event, changes.nowMs()),
    async close() {
      follower.close();
      hostNames.close();
      storeChecks.close();
      await audit.close();
      await changes.close();
    },
  };
}

function fileIgnored(names: readonly string[]): string {
  return (
    `shares of the configuration file differ from those of the control plane, which rules since its first start: ${names.join(", ")}. ` +
    "Change shares with `dittofs share`, and take the section `shares` out of the file"
  );
}

/** The value as long as `mark` stays the same. */
function remembered<T>(mark: () => number, make: () => T): () => T {
  let last: { readonly mark: number; readonly value: T } | null = null;
  return () => {
    const now = mark();
    if (last?.mark !== now) last = { mark: now, value: make() };
    return last.value;
  };
}

// The composition of everything reads best in one place.
function assemble(options: ControlOptions, state: State, changes: Changes) {
  const { database, runtime, clock, random, logger, passwords, keyring } = options;
  const storePlans = new StorePlans(keyring, options.dataDirectory, options.machine);
  const hostNames = new HostNames({ state, resolve: options.resolve, clock, logger, onChanged: () => void effects.bringAndLog("other addresses of a host name") });
  const byDefault = remembered(
    () => state.adapters.changes,
    () => options.clientsByDefault(String(adapters.plan("nfs").settings["bind"])),
  );
  const clientsOf = (share: ShareRow) => effectiveClients(state, share, byDefault(), (hostName) => hostNames.addresses(hostName));
  const known = new Identities(state);
  const accounts = new KnownAccounts(state, known, keyring, logger);
  const identities = new ShareIdentities(state, changes);
  const sharePlans = new SharePlans(state, { identity: () => known.current(), storePlan: (kind, row) => storePlans.of(kind, row), effectiveClients: clientsOf, identities });
  const desired: DesiredState = new DesiredState(
    sharePlans,
    () => adapters.plans(),
    () => accounts.current(),
    () => ({ level: settings.value("logging.level"), slowMs: settings.slowOperationsMs }),
  );
  const effects: Effects = new Effects(runtime, () => desired.current(), changes, logger);
  const core = { state, changes, effects, runtime, clock, random, logger };
  const adapters: AdapterService = new AdapterService({ ...core, overrides: options.adapterOverrides, checkTogether: options.checkAdapter });
  const settings: SettingService = new SettingService({ ...core, defaults: options.settingDefaults });
  const views = new AccessViews(state);
  const users = new UserService({ ...core, views, passwords, keyring, onPasswordSet: options.onPasswordSet });
  const storeChecks = new StoreChecks({ state, runtime, storePlans, clock, nowMs: () => changes.nowMs() });
  const audit = new AuditLog({ database, clock, logger, keepDays: () => settings.auditKeepDays, nowMs: () => changes.nowMs() });
  const services: Services = {
    users,
    groups: new GroupService({ ...core, views }),
    shares: new ShareService({ ...core, shareViews: new ShareViews(state, clientsOf), planOf: (share) => sharePlans.of(share), identities }),
    stores: new StoreService({ ...core, storePlans, storeChecks }),
    adapters,
    netgroups: new NetgroupService({ ...core, hostNames }),
    settings,
    audit,
    databaseType: database.type,
    health: () => database.health(),
  };
  return { core, services, desired, effects, hostNames, storeChecks, audit, identities, byDefault, directory: new Directory(state, views, users) };
}
