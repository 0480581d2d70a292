import { belongsTo, boolean, id, indexed, integer, json, nullable, numbered, table, text, time, unique } from "./columns.ts";

/** What every row that operators change has. `version` rises by one with every change: it is the ETag of the API. */
const common = { version: integer(), createdAt: time(), updatedAt: time() };

export const users = table(
  "users",
  {
    id: id(),
    name: unique(text()),
    passwordHash: text(),
    /** The NT hash of the password, wrapped by the keyring; null until a password was set. */
    ntHash: nullable(text()),
    uid: unique(integer()),
    gid: integer(),
    email: text(),
    displayName: text(),
    role: text(),
    enabled: boolean(),
    mustChangePassword: boolean(),
    /** Raised by whatever ends the user's sessions; tokens of an older one are refused. */
    sessionEpoch: integer(),
    ...common,
  },
  ["id"],
);

export const groups = table("groups", { id: id(), name: unique(text()), gid: unique(integer()), description: text(), ...common }, ["id"]);

export const memberships = table("memberships", { groupId: belongsTo("groups"), userId: belongsTo("users") }, ["groupId", "userId"]);

/** `config` is what may be shown; `secrets` is a JSON object wrapped by the keyring, or null. */
const store = { id: id(), name: unique(text()), type: text(), config: json<Readonly<Record<string, unknown>>>(), secrets: nullable(text()), ...common };

export const metadataStores = table("metadata_stores", store, ["id"]);
export const blockStores = table("block_stores", store, ["id"]);

export const shares = table(
  "shares",
  {
    id: id(),
    /** Begins with a slash. */
    name: unique(text()),
    description: text(),
    metadataStoreId: id(),
    blockStoreId: id(),
    /** Where this share's own part of its stores lies, where that doesn't follow from store and name; else "". */
    metadataPath: text(),
    blocksPath: text(),
    durability: text(),
    readOnly: boolean(),
    defaultPermission: text(),
    squash: text(),
    anonymousUid: integer(),
    anonymousGid: integer(),
    /** CIDRs; null: the server's default. */
    allowedClients: nullable(json<readonly string[]>()),
    /** Ids of netgroups that are let in, too. */
    netgroups: json<readonly string[]>(),
    protocols: json<{ readonly nfs: boolean; readonly smb: boolean }>(),
    /** Groups of AUTH_SYS callers come from here instead of from the call, which holds 16 at most. */
    manageGroups: boolean(),
    rootMode: integer(),
    quotaBytes: nullable(integer()),
    quotaFiles: nullable(integer()),
    enabled: boolean(),
    /** Deleted, its data not yet purged. */
    deletedAt: nullable(time()),
    ...common,
    /** Bytes a second; null: off. */
    scrubRate: nullable(integer()),
    /** What of SMB the share asks for; null: as by default. */
    smbEncryption: nullable(text()),
    smbGuest: nullable(boolean()),
    smbContinuouslyAvailable: nullable(boolean()),
  },
  ["id"],
);

/** `subjectId` is a user's or a group's id, by `subjectType`. */
export const grants = table("grants", { shareId: belongsTo("shares"), subjectType: text(), subjectId: indexed(id()), level: text() }, ["shareId", "subjectType", "subjectId"]);

/**
 * Which tree a share is: the instance of the metadata it was first served from, hexadecimal. A server whose own stores hold another, or
 * none, must not serve it under this name. No row: it was never served, or its metadata is in memory and another at each start.
 */
export const shareIdentities = table("share_identities", { shareId: belongsTo("shares"), instance: text() }, ["shareId"]);

export const adapters = table(
  "adapters",
  { type: text(), enabled: boolean(), port: integer(), settings: json<Readonly<Record<string, unknown>>>(), ...common },
  ["type"],
);

export const settings = table("settings", { key: text(), value: text(), ...common }, ["key"]);

export const netgroups = table("netgroups", { id: id(), name: unique(text()), description: text(), ...common }, ["id"]);

export const netgroupMembers = table("netgroup_members", { id: id(), netgroupId: belongsTo("netgroups"), type: text(), value: text() }, ["id"]);

/** A log-in and what came of it: one row a family of refresh tokens. */
export const sessions = table(
  "sessions",
  {
    id: id(),
    userId: belongsTo("users"),
    /** SHA-256 of the one refresh token that is good now, hexadecimal. */
    tokenHash: text(),
    address: text(),
    createdAt: time(),
    usedAt: time(),
    expiresAt: indexed(time()),
    revokedAt: nullable(time()),
  },
  ["id"],
);

export const audit = numbered("audit", {
  at: indexed(time()),
  actor: text(),
  address: text(),
  action: text(),
  targetType: indexed(text()),
  target: text(),
  /** Secrets are blanked before they get here. */
  before: nullable(json<unknown>()),
  after: nullable(json<unknown>()),
});

/** The server's own notes: `revision` (raised by every change), `keyring` (wrapped data keys), `imported` (the shares of the file), `retired` (numbers of users and groups that are gone). */
export const notes = table("notes", { key: text(), value: text() }, ["key"]);

export const tables = { users, groups, memberships, metadataStores, blockStores, shares, grants, shareIdentities, adapters, settings, netgroups, netgroupMembers, sessions, audit, notes } as const;
