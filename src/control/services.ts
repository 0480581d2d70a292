import type * as n from "./nouns.ts";
import type { RotatedShare, SharePlan, StoreHealth, StoreRequests } from "./runtime.ts";

/**
 * What the REST interface asks of the control plane. Reading is from memory and synchronous; a change resolves when it is durable
 * and in effect, and throws ControlError where it was refused: then nothing changed. `ifVersion` (null: whatever it is) is the
 * version the caller saw; another one is refused as `changed_meanwhile`. Names that aren't there are refused as `not_found`.
 */
export interface ControlPlane {
  readonly users: Users;
  readonly groups: Groups;
  readonly shares: Shares;
  readonly stores: Stores;
  readonly adapters: Adapters;
  readonly netgroups: Netgroups;
  readonly settings: Settings;
  readonly audit: Audit;
  readonly logins: Logins;
  /** "sqlite" or "postgres". */
  readonly databaseType: string;
  /** Why the database doesn't answer, or null. */
  health(): Promise<string | null>;
}

export type IfVersion = number | null;

export interface Users {
  list(): readonly n.User[];
  get(name: string): n.User;
  create(actor: n.Actor, user: NewUser): Promise<n.User>;
  edit(actor: n.Actor, name: string, change: UserChange, ifVersion: IfVersion): Promise<n.User>;
  delete(actor: n.Actor, name: string, ifVersion: IfVersion): Promise<void>;
  /** Ends the user's sessions. */
  setPassword(actor: n.Actor, name: string, password: string, mustChange: boolean): Promise<void>;
}
export interface NewUser extends UserChange {
  readonly name: string;
  readonly password: string;
}
export type UserChange = Partial<Pick<n.User, "uid" | "gid" | "email" | "displayName" | "role" | "enabled" | "mustChangePassword" | "groups">>;

export interface Groups {
  list(): readonly n.Group[];
  get(name: string): n.Group;
  create(actor: n.Actor, group: { readonly name: string; readonly gid?: number; readonly description?: string }): Promise<n.Group>;
  edit(actor: n.Actor, name: string, change: { readonly gid?: number; readonly description?: string }, ifVersion: IfVersion): Promise<n.Group>;
  delete(actor: n.Actor, name: string, ifVersion: IfVersion): Promise<void>;
  addMember(actor: n.Actor, name: string, user: string): Promise<void>;
  removeMember(actor: n.Actor, name: string, user: string, ifVersion: IfVersion): Promise<void>;
}

/** Names of stores. `acceptVolatile`: whoever asks knows what is lost with a share in memory. */
export interface MoveTo {
  readonly metadata?: string;
  readonly blocks?: string;
  readonly acceptVolatile?: boolean;
}

export interface Shares {
  /** Without those that are deleted. */
  list(): readonly n.Share[];
  deleted(): readonly n.Share[];
  get(name: string): n.Share;
  create(actor: n.Actor, share: n.NewShare): Promise<n.Share>;
  edit(actor: n.Actor, name: string, change: Partial<n.ShareFields>, ifVersion: IfVersion): Promise<n.Share>;
  /** How the share would be opened in these stores; what is left out stays where it is. */
  movePlan(name: string, to: MoveTo): SharePlan;
  /** The share's data lies in these stores now: it is opened there. */
  moved(actor: n.Actor, name: string, to: MoveTo): Promise<void>;
  /** Forgets which tree the share is, and serves what this server has in its place, an empty one maybe. */
  accept(actor: n.Actor, name: string, ifVersion: IfVersion): Promise<n.Share>;
  /** `purge` removes the data too, also of a share that is deleted already. Without `force` one that is mounted is `in_use`. */
  delete(actor: n.Actor, name: string, how: { readonly force: boolean; readonly purge: boolean }, ifVersion: IfVersion): Promise<void>;
  grants(name: string): readonly n.Grant[];
  grant(actor: n.Actor, name: string, grant: n.Grant, ifVersion: IfVersion): Promise<n.Grant>;
  revoke(actor: n.Actor, name: string, subject: Pick<n.Grant, "type" | "name">, ifVersion: IfVersion): Promise<void>;
}

export interface Stores {
  list(kind: n.StoreKind): readonly n.Store[];
  get(kind: n.StoreKind, name: string): n.Store;
  create(actor: n.Actor, kind: n.StoreKind, store: { readonly name: string; readonly type: string; readonly config?: Readonly<Record<string, n.ConfigValue>> }): Promise<n.Store>;
  edit(actor: n.Actor, kind: n.StoreKind, name: string, config: Readonly<Record<string, n.ConfigValue>>, ifVersion: IfVersion): Promise<n.Store>;
  delete(actor: n.Actor, kind: n.StoreKind, name: string, ifVersion: IfVersion): Promise<void>;
  /** Tries it now. */
  check(kind: n.StoreKind, name: string): Promise<StoreHealth>;
  /** The last result; tried in the background. */
  known(kind: n.StoreKind, name: string): StoreHealth;
  /** What was asked of it since the shares on it were opened. */
  requests(kind: n.StoreKind, name: string): readonly StoreRequests[];
  /** Wraps the keyrings of all shares on an encrypted block store with the master key that is in use by now. */
  rotateKeys(actor: n.Actor, name: string): Promise<readonly RotatedShare[]>;
}

export interface Adapters {
  list(): readonly n.Adapter[];
  get(type: n.AdapterType): n.Adapter;
  create(actor: n.Actor, adapter: { readonly type: n.AdapterType; readonly enabled?: boolean; readonly port?: number }): Promise<n.Adapter>;
  edit(actor: n.Actor, type: n.AdapterType, change: { readonly enabled?: boolean; readonly port?: number }, ifVersion: IfVersion): Promise<n.Adapter>;
  delete(actor: n.Actor, type: n.AdapterType, ifVersion: IfVersion): Promise<void>;
  about(type: n.AdapterType): readonly n.SettingAbout[];
  /** `replace`: what is left out goes back to its default. `dryRun`: checked, not done. Field errors name each wrong setting. */
  setSettings(
    actor: n.Actor,
    type: n.AdapterType,
    values: Readonly<Record<string, n.SettingValue>>,
    how: { readonly replace: boolean; readonly dryRun: boolean },
    ifVersion: IfVersion,
  ): Promise<n.Adapter>;
  /** `setting` null: all. */
  reset(actor: n.Actor, type: n.AdapterType, setting: string | null): Promise<n.Adapter>;
}

export interface Netgroups {
  list(): readonly n.Netgroup[];
  get(name: string): n.Netgroup;
  create(actor: n.Actor, netgroup: { readonly name: string; readonly description?: string }): Promise<n.Netgroup>;
  delete(actor: n.Actor, name: string, ifVersion: IfVersion): Promise<void>;
  addMember(actor: n.Actor, name: string, member: { readonly type: n.NetgroupMember["type"]; readonly value: string }): Promise<n.Netgroup>;
  removeMember(actor: n.Actor, name: string, id: string, ifVersion: IfVersion): Promise<void>;
}

export interface Settings {
  list(): readonly n.Setting[];
  get(key: string): n.Setting;
  set(actor: n.Actor, key: string, value: string, ifVersion: IfVersion): Promise<n.Setting>;
  reset(actor: n.Actor, key: string, ifVersion: IfVersion): Promise<void>;
}

export interface AuditQuery {
  readonly actor?: string;
  readonly action?: string;
  readonly targetType?: string;
  readonly target?: string;
  /** Milliseconds since 1970. */
  readonly since?: number;
  readonly newestFirst: boolean;
  readonly offset: number;
  readonly limit: number;
}

export interface Audit {
  list(query: AuditQuery): Promise<{ readonly entries: readonly n.AuditEntry[]; readonly total: number }>;
}

export interface TokenPair {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly expiresInSec: number;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  readonly user: n.User;
}

/** Whom a request's token speaks for. */
export interface Caller {
  readonly user: n.User;
  readonly sessionId: string;
}

export interface Logins {
  /** `wrong_credentials` alike for an unknown user, a wrong password and a disabled user; `too_many_attempts`, `busy`. */
  login(name: string, password: string, address: string): Promise<TokenPair>;
  /** A refresh token is good once: one used twice ends its whole session. */
  refresh(refreshToken: string, address: string): Promise<TokenPair>;
  logout(caller: Caller): Promise<void>;
  /** From an access token; `invalid_token`, `token_expired`. No database is asked. */
  authenticate(accessToken: string): Promise<Caller>;
  /** Ends all other sessions of the caller and gives new tokens. */
  changeOwnPassword(caller: Caller, current: string, next: string, address: string): Promise<TokenPair>;
}
