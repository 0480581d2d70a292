import { ControlError } from "../../src/control/errors.ts";
import type { Jobs } from "../../src/control/jobs.ts";
import type { Live, LiveFigures } from "../../src/control/live.ts";
import type * as n from "../../src/control/nouns.ts";
import type { MountInfo, Runtime, StoreHealth } from "../../src/control/runtime.ts";
import type { Caller, ControlPlane, IfVersion, Logins } from "../../src/control/services.ts";
import type { Profiles } from "../../src/telemetry/profiling/profiler.ts";

/** A control plane that keeps everything in memory and checks next to nothing: for tests of what stands in front of it. */

const times = { version: 1, createdAt: 1_700_000_000_000, updatedAt: 1_700_000_000_000 };

class Rows<T extends n.Versioned> {
  readonly rows = new Map<string, T>();
  readonly kind: string;

  constructor(kind: string) {
    this.kind = kind;
  }

  list = (): T[] => [...this.rows.values()];

  get = (name: string): T => {
    const row = this.rows.get(name);
    if (row === undefined) throw new ControlError("not_found", `There is no ${this.kind} ${name}.`);
    return row;
  };

  add(name: string, row: T): T {
    if (this.rows.has(name)) throw new ControlError("already_exists", `There is a ${this.kind} ${name} already.`);
    this.rows.set(name, row);
    return row;
  }

  change(name: string, change: Partial<T>, ifVersion: IfVersion): T {
    const row = this.checked(name, ifVersion);
    const next = { ...row, ...change, version: row.version + 1 };
    this.rows.set(name, next);
    return next;
  }

  remove(name: string, ifVersion: IfVersion): void {
    this.checked(name, ifVersion);
    this.rows.delete(name);
  }

  private checked(name: string, ifVersion: IfVersion): T {
    const row = this.get(name);
    if (ifVersion !== null && row.version !== ifVersion) throw new ControlError("changed_meanwhile", "It has changed.");
    return row;
  }
}

export function fakeUser(name: string, more: Partial<n.User> = {}): n.User {
  return { name, uid: 1000, gid: 1000, email: "", displayName: "", role: "user", enabled: true, mustChangePassword: false, groups: [], ...times, ...more };
}

function fakeShare(name: string): n.Share {
  return {
    name, metadata: "default", blocks: "default", rootMode: 0o1777, deleted: false, volatile: false, effectiveClients: [], description: "", durability: "local", readOnly: false, defaultPermission: "none",
    squash: "none", anonymousUid: 65534, anonymousGid: 65534, allowedClients: null, netgroups: [], protocols: { nfs: true, smb: false }, manageGroups: false, quotaBytes: null, quotaFiles: null, scrubRate: null,
    smbEncryption: "off",
    smbGuest: false,
    smbContinuouslyAvailable: false,
    enabled: true, ...times,
  };
}

/** Tokens are `<kind>.<user>`; `access.alice` is good, `expired.alice` has expired, `refresh.alice` renews. */
function fakeLogins(users: Rows<n.User>): Logins {
  const pair = (name: string) => ({ accessToken: `access.${name}`, refreshToken: `refresh.${name}`, expiresInSec: 900, expiresAt: times.createdAt + 900_000, user: users.get(name) });
  return {
    login: async (name, password) => {
      if (!users.rows.has(name) || password !== "right password") throw new ControlError("wrong_credentials", "The user name or the password is wrong.");
      return pair(name);
    },
    refresh: async (token) => {
      if (!token.startsWith("refresh.")) throw new ControlError("invalid_token", "This is no refresh token.");
      return pair(token.slice(8));
    },
    logout: async () => {},
    authenticate: async (token): Promise<Caller> => {
      const [kind, name] = token.split(".") as [string, string];
      if (kind === "expired") throw new ControlError("token_expired", "The token has expired.");
      const user = kind === "access" ? users.rows.get(name) : undefined;
      if (user === undefined) throw new ControlError("invalid_token", "This token is not good.");
      return { user, sessionId: "s" };
    },
    changeOwnPassword: async (caller) => pair(caller.user.name),
  };
}

const health: StoreHealth = { healthy: true, error: null, latencyMs: 1, checkedAt: times.createdAt };

export interface FakeControl extends ControlPlane {
  readonly rows: { readonly users: Rows<n.User>; readonly groups: Rows<n.Group>; readonly shares: Rows<n.Share>; readonly grants: Map<string, n.Grant[]> };
}

export function fakeControl(): FakeControl {
  const users = new Rows<n.User>("user");
  const groups = new Rows<n.Group>("group");
  const shares = new Rows<n.Share>("share");
  const stores = { metadata: new Rows<n.Store>("store"), block: new Rows<n.Store>("store") };
  const adapters = new Rows<n.Adapter>("adapter");
  const netgroups = new Rows<n.Netgroup>("netgroup");
  const grants = new Map<string, n.Grant[]>();
  const setting = (key: string): n.Setting => {
    if (key !== "logging.level") throw new ControlError("not_found", "There is no such setting.");
    return { key, value: "info", default: "info", help: "", allowed: "", version: 1 };
  };
  adapters.add("nfs", { type: "nfs", enabled: true, port: 12049, settings: {}, overridden: [], ...times });
  for (const kind of ["metadata", "block"] as const) stores[kind].add("default", { kind, name: "default", type: "memory", config: {}, secrets: [], usedBy: [], ...times });
  const grantsOf = (name: string): n.Grant[] => grants.get(shares.get(name).name) ?? [];
  const grantsWithout = (name: string, which: Pick<n.Grant, "type" | "name">): n.Grant[] => grantsOf(name).filter((grant) => grant.type !== which.type || grant.name !== which.name);
  return {
    rows: { users, groups, shares, grants },
    databaseType: "sqlite",
    health: async () => null,
    users: {
      list: users.list,
      get: users.get,
      create: async (_, { password: _password, ...user }) => users.add(user.name, fakeUser(user.name, user)),
      edit: async (_, name, change, ifVersion) => users.change(name, change, ifVersion),
      delete: async (_, name, ifVersion) => users.remove(name, ifVersion),
      setPassword: async (_, name) => void users.get(name),
    },
    groups: {
      list: groups.list,
      get: groups.get,
      create: async (_, group) => groups.add(group.name, { gid: 2000, description: "", members: [], ...group, ...times }),
      edit: async (_, name, change, ifVersion) => groups.change(name, change, ifVersion),
      delete: async (_, name, ifVersion) => groups.remove(name, ifVersion),
      addMember: async (_, name, user) => void groups.change(name, { members: [...groups.get(name).members, users.get(user).name] }, null),
      removeMember: async (_, name, user, ifVersion) => void groups.change(name, { members: groups.get(name).members.filter((member) => member !== user) }, ifVersion),
    },
    shares: {
      list: () => shares.list().filter((share) => !share.deleted),
      deleted: () => shares.list().filter((share) => share.deleted),
      get: shares.get,
      create: async (_, { adopt: _adopt, ...share }) => shares.add(share.name, { ...fakeShare(share.name), ...share }),
      edit: async (_, name, change, ifVersion) => shares.change(name, change, ifVersion),
      accept: async (_, name, ifVersion) => shares.change(name, {}, ifVersion),
      delete: async (_, name, _how, ifVersion) => shares.remove(name, ifVersion),
      movePlan: () => {
        throw new ControlError("unavailable", "Nothing is moved here.");
      },
      moved: async () => {},
      grants: grantsOf,
      grant: async (_, name, grant, ifVersion) => {
        grants.set(name, [...grantsWithout(name, grant), grant]);
        shares.change(name, {}, ifVersion);
        return grant;
      },
      revoke: async (_, name, subject, ifVersion) => {
        grants.set(name, grantsWithout(name, subject));
        shares.change(name, {}, ifVersion);
      },
    },
    stores: {
      list: (kind) => stores[kind].list(),
      get: (kind, name) => stores[kind].get(name),
      create: async (_, kind, store) => stores[kind].add(store.name, { kind, config: {}, secrets: [], usedBy: [], ...store, ...times }),
      edit: async (_, kind, name, config, ifVersion) => stores[kind].change(name, { config }, ifVersion),
      delete: async (_, kind, name, ifVersion) => stores[kind].remove(name, ifVersion),
      check: async (kind, name) => (stores[kind].get(name), health),
      known: (kind, name) => (stores[kind].get(name), health),
      requests: () => [],
      rotateKeys: async (_, name) => (stores.block.get(name), []),
    },
    adapters: {
      list: adapters.list,
      get: adapters.get,
      create: async (_, adapter) => adapters.add(adapter.type, { enabled: true, port: 12049, settings: {}, overridden: [], ...adapter, ...times }),
      edit: async (_, type, change, ifVersion) => adapters.change(type, change, ifVersion),
      delete: async (_, type, ifVersion) => adapters.remove(type, ifVersion),
      about: () => [],
      setSettings: async (_, type, values, _how, ifVersion) => adapters.change(type, { settings: values }, ifVersion),
      reset: async (_, type) => adapters.change(type, { settings: {} }, null),
    },
    netgroups: {
      list: netgroups.list,
      get: netgroups.get,
      create: async (_, netgroup) => netgroups.add(netgroup.name, { description: "", members: [], usedBy: [], ...netgroup, ...times }),
      delete: async (_, name, ifVersion) => netgroups.remove(name, ifVersion),
      addMember: async (_, name, member) => netgroups.change(name, { members: [{ id: "m1", addresses: [], ...member }] }, null),
      removeMember: async (_, name, _id, ifVersion) => void netgroups.change(name, { members: [] }, ifVersion),
    },
    settings: {
      list: () => [setting("logging.level")],
      get: setting,
      set: async (_, key, value) => ({ ...setting(key), value }),
      reset: async (_, key) => void setting(key),
    },
    audit: { list: async () => ({ entries: [], total: 0 }) },
    logins: fakeLogins(users),
  };
}

/** A server that begins every job and forgets it. */
export const noJobs: Jobs = {
  list: () => [],
  get: (id) => {
    throw new ControlError("not_found", `There is no job ${id}.`);
  },
  start: ({ kind, share }, startedBy) => ({ id: "0123456789abcdef", kind, share, state: "running", startedBy, startedAt: 0, endedAt: null, progress: { step: "", done: 0, total: null, unit: "" }, findings: [], findingsTotal: 0, result: null, error: null }),
  cancel: (id) => {
    throw new ControlError("not_found", `There is no job ${id}.`);
  },
};

const idle = { operations: 0, failures: 0, readBytes: 0, writtenBytes: 0, waiting: 0, latency: null };

/** Figures of a server that nobody uses. */
export const idleFigures: LiveFigures = { at: 0, intervalMs: 1000, total: idle, protocols: [], procedures: [], shares: [], clients: [], clientsTotal: 0, dirtyBytes: 0, unstoredBytes: 0 };
export const stillLive: Live = {
  figures: async () => idleFigures,
  follow: () => ({ end() {} }),
};

/** Takes profiles that say what was asked for. */
export function fakeProfiles(): Profiles {
  return { busySec: 0, take: async (type, seconds) => new TextEncoder().encode(`${type} ${seconds}`) };
}

/** A server that serves whatever it is told, with nobody connected. */
export function fakeRuntime(mounts: readonly MountInfo[] = []): Runtime {
  return {
    reconcile: async () => [],
    share: () => ({ state: "serving", error: null, dirtyBytes: 0, unstoredBytes: 0, oldestUnstoredMs: null, storeError: null, diskCache: null }),
    usage: async () => ({ bytes: 0, files: 1 }),
    adapter: () => ({ running: true, error: null, address: "127.0.0.1", port: 12049, connections: 0 }),
    clients: () => [],
    mounts: () => mounts,
    disconnect: () => false,
    tryStore: async () => health,
    drain: async () => new Map(),
    refuseLosing: async () => {},
    warm: async () => ({ bytes: 0, complete: true }),
    evict: async () => 0,
    rotateKeys: async () => [],
    storeRequests: () => [],
    jobs: noJobs,
    live: stillLive,
    leftBehind: () => null,
    purge: async () => {},
  };
}
