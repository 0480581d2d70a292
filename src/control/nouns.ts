import type { Durability, Encryption, Squash } from "#model/credentials.ts";

/** The nouns of the control plane as everybody else sees them: names instead of row ids, no hashes, no secrets. Times are milliseconds since 1970. */

export const Role = { user: "user", operator: "operator", admin: "admin" } as const;
export type Role = (typeof Role)[keyof typeof Role];

export type Level = "none" | "read" | "read-write" | "admin";

/** Who asks for a change, and from where: what the audit log holds. */
export interface Actor {
  readonly name: string;
  readonly address: string;
}

/** `version` rises with every change. */
export interface Versioned {
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface User extends Versioned {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly email: string;
  readonly displayName: string;
  readonly role: Role;
  readonly enabled: boolean;
  readonly mustChangePassword: boolean;
  /** Names, sorted. */
  readonly groups: readonly string[];
}

export interface Group extends Versioned {
  readonly name: string;
  readonly gid: number;
  readonly description: string;
  readonly members: readonly string[];
}

/** What of a share can be changed. */
export interface ShareFields {
  readonly description: string;
  readonly durability: Durability;
  readonly readOnly: boolean;
  readonly defaultPermission: Level;
  readonly squash: Squash;
  readonly anonymousUid: number;
  readonly anonymousGid: number;
  /** CIDRs; null: the server's default. */
  readonly allowedClients: readonly string[] | null;
  readonly netgroups: readonly string[];
  readonly protocols: { readonly nfs: boolean; readonly smb: boolean };
  readonly manageGroups: boolean;
  readonly smbEncryption: Encryption;
  /** Who comes without a name is let in as the anonymous user. */
  readonly smbGuest: boolean;
  /** Opens survive a restart of the server where clients ask for it. */
  readonly smbContinuouslyAvailable: boolean;
  readonly quotaBytes: number | null;
  readonly quotaFiles: number | null;
  /** Bytes a second at which all content is read again and again and compared with its checksums; null: never. */
  readonly scrubRate: number | null;
  readonly enabled: boolean;
}

export interface Share extends ShareFields, Versioned {
  readonly name: string;
  readonly metadata: string;
  readonly blocks: string;
  readonly rootMode: number;
  readonly deleted: boolean;
  /** Its metadata or its content is in memory, and gone when the server stops. */
  readonly volatile: boolean;
  /** Who is let in, defaults and netgroups resolved. */
  readonly effectiveClients: readonly string[];
}

export interface NewShare extends Partial<ShareFields> {
  readonly name: string;
  readonly metadata?: string;
  readonly blocks?: string;
  readonly rootMode?: number;
  /** Take over the data of a deleted share of that name. */
  readonly adopt?: boolean;
}

export interface Grant {
  readonly type: "user" | "group";
  readonly name: string;
  readonly level: Level;
}

export type StoreKind = "metadata" | "block";
export type ConfigValue = string | number | boolean | null;

export interface Store extends Versioned {
  readonly kind: StoreKind;
  readonly name: string;
  readonly type: string;
  readonly config: Readonly<Record<string, ConfigValue>>;
  /** Names of the secrets that are set. */
  readonly secrets: readonly string[];
  readonly usedBy: readonly string[];
}

export type SettingValue = string | number | boolean;
export type AdapterType = "nfs" | "smb";

export interface Adapter extends Versioned {
  readonly type: AdapterType;
  /** As it is for this run: the row, and over it what flag, environment or file say. */
  readonly enabled: boolean;
  readonly port: number;
  readonly settings: Readonly<Record<string, SettingValue>>;
  /** Names of those among `enabled`, `port` and the settings that this run overrides. */
  readonly overridden: readonly string[];
}

export interface SettingAbout {
  readonly key: string;
  readonly type: "integer" | "size" | "boolean" | "text";
  readonly default: SettingValue;
  readonly allowed: string;
  readonly help: string;
}

export interface NetgroupMember {
  readonly id: string;
  readonly type: "ip" | "cidr" | "hostname";
  readonly value: string;
  /** What a host name resolves to now; the address itself otherwise. */
  readonly addresses: readonly string[];
}

export interface Netgroup extends Versioned {
  readonly name: string;
  readonly description: string;
  readonly members: readonly NetgroupMember[];
  readonly usedBy: readonly string[];
}

export interface Setting {
  readonly key: string;
  readonly value: string;
  readonly default: string;
  readonly help: string;
  readonly allowed: string;
  readonly version: number;
}

export interface AuditEntry {
  readonly number: number;
  readonly at: number;
  readonly actor: string;
  readonly address: string;
  readonly action: string;
  readonly targetType: string;
  readonly target: string;
  readonly before: unknown;
  readonly after: unknown;
}
