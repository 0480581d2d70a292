import { type Static, type TOptional, type TSchema, Type } from "@sinclair/typebox";
import { object } from "./route.ts";
import { Durability, ShareState, Volatile } from "./share-status.ts";
import { Name, one, optional, orNull, ShareName, When } from "./schema-words.ts";

export * from "./job-schemas.ts";
export * from "./share-status.ts";
export * from "./stats.ts";
export { Name, nameBytesMax, ShareName } from "./schema-words.ts";

/** The nouns of the REST interface. Sizes are bytes, times ISO 8601 in UTC; what can't be known is null. */

/** In a path the slash in front is left out or encoded. */
export const ShareParam = Type.String({ minLength: 1, maxLength: 255, pattern: "^[^\\u0000-\\u001f\\u007f]+$", description: "The share's name, the slash in front left out or encoded." });
/** bcrypt ends a password at a NUL and after 72 bytes. */
export const Password = Type.String({ minLength: 8, maxLength: 72, pattern: "^[^\\u0000]*$", description: "8 characters at least, 72 bytes at most (bcrypt takes no more)." });
/** Any text that is compared with a password: no rules, a bound. */
const GivenPassword = Type.String({ minLength: 1, maxLength: 1024 });
const Id32 = Type.Integer({ minimum: 0, maximum: 4294967294 });
/** PostgreSQL keeps no NUL; a control character, of the second set too, would speak to whose terminal shows it, and one of direction would make it show something else. */
const Text = Type.String({ maxLength: 1024, pattern: "^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069]*$", description: "A line of text, at most 1024 characters." });
/** Text that is looked for: no control characters, which no database keeps or finds. */
export const searchText = (maxLength: number) => Type.String({ maxLength, pattern: "^[^\\u0000-\\u001f\\u007f]*$" });

export const Role = one(["user", "operator", "admin"]);
export type Role = Static<typeof Role>;
export const Level = one(["none", "read", "read-write", "admin"]);
export type Level = Static<typeof Level>;
export const Squash = one(["none", "root_to_guest", "root_to_admin", "all_to_guest", "all_to_admin"]);

export const User = object({
  username: Name,
  uid: Id32,
  gid: Id32,
  email: Text,
  display_name: Text,
  role: Role,
  enabled: Type.Boolean(),
  must_change_password: Type.Boolean(),
  groups: Type.Array(Name),
  created_at: When,
  updated_at: When,
});
export type User = Static<typeof User>;
const userFields = {
  uid: optional(Id32),
  gid: optional(Id32),
  email: optional(Text),
  display_name: optional(Text),
  role: optional(Role),
  enabled: optional(Type.Boolean()),
  must_change_password: optional(Type.Boolean()),
  groups: optional(Type.Array(Name, { maxItems: 1000 })),
};
export const NewUser = object({ username: Name, password: Password, ...userFields });
export const UserChange = object(userFields);
export const NewPassword = object({ new_password: Password, must_change_password: optional(Type.Boolean()) });
export const PasswordChange = object({ current_password: GivenPassword, new_password: Password });

export const Login = object({ username: Type.String({ minLength: 1, maxLength: 255, pattern: "^[^\\u0000-\\u001f\\u007f]+$" }), password: GivenPassword });
export const Refresh = object({ refresh_token: Type.String({ minLength: 1, maxLength: 4096 }) });
export const Tokens = object({
  access_token: Type.String(),
  refresh_token: Type.String(),
  token_type: Type.Literal("Bearer"),
  expires_in: Type.Integer({ description: "Seconds the access token is good for." }),
  expires_at: When,
  must_change_password: Type.Boolean(),
  user: User,
});
export type Tokens = Static<typeof Tokens>;

export const Group = object({ name: Name, gid: Id32, description: Text, members: Type.Array(Name), created_at: When, updated_at: When });
export type Group = Static<typeof Group>;
export const NewGroup = object({ name: Name, gid: optional(Id32), description: optional(Text) });
export const GroupChange = object({ gid: optional(Id32), description: optional(Text) });
export const Member = object({ username: Name });

export const Protocols = object({ nfs: Type.Boolean(), smb: Type.Boolean() });
const Clients = Type.Array(Type.String({ maxLength: 64, pattern: "^[0-9A-Fa-f.:/]+$" }), { maxItems: 1000, description: "IPv4 and IPv6 addresses and networks (CIDR)." });
const Netgroups = Type.Array(Name, { maxItems: 100 });

const shareFields = {
  description: Text,
  durability: Durability,
  read_only: Type.Boolean(),
  default_permission: Level,
  squash: Squash,
  anonymous_uid: Id32,
  anonymous_gid: Id32,
  allowed_clients: orNull(Clients),
  netgroups: Netgroups,
  protocols: Protocols,
  manage_groups: Type.Boolean({ description: "Groups of AUTH_SYS callers come from the control plane, not from the call, which holds 16 at most." }),
  smb_encryption: Type.Union([Type.Literal("off"), Type.Literal("preferred"), Type.Literal("required")], { description: "Over SMB: off tells nobody to encrypt, preferred tells clients that can to, required refuses those that can't." }),
  smb_guest: Type.Boolean({ description: "Over SMB, who comes without a name, or as guest, is let in as the anonymous user." }),
  smb_continuously_available: Type.Boolean({ description: "Over SMB, opens survive a restart of the server where clients ask for it." }),
  quota_bytes: orNull(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: "The most bytes it is meant to hold. Noted, not enforced by this version." })),
  quota_files: orNull(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: "The most files it is meant to hold. Noted, not enforced by this version." })),
  scrub_rate: orNull(Type.Integer({ minimum: 65536, maximum: Number.MAX_SAFE_INTEGER, description: "Bytes a second at which all content is read again and again and compared with its checksums; null: never." })),
};
export const Share = object({
  name: ShareName,
  metadata: Type.String({ description: "The metadata store." }),
  blocks: Type.String({ description: "The block store." }),
  ...shareFields,
  enabled: Type.Boolean(),
  state: ShareState,
  error: orNull(Type.String({ description: "Why it is not served." })),
  volatile: Volatile,
  effective_clients: Type.Array(Type.String(), { description: "Who is let in, netgroups and defaults resolved." }),
  created_at: When,
  updated_at: When,
});
export type Share = Static<typeof Share>;
type AllOptional<T extends Record<string, TSchema>> = { [K in keyof T]: TOptional<T[K]> };
const optionalShareFields = Object.fromEntries(Object.entries(shareFields).map(([key, schema]) => [key, optional(schema as TSchema)])) as unknown as AllOptional<typeof shareFields>;
export const NewShare = object({
  name: ShareName,
  metadata: optional(Name),
  blocks: optional(Name),
  ...optionalShareFields,
  enabled: optional(Type.Boolean()),
  root_mode: optional(Type.Integer({ minimum: 0, maximum: 0o7777, description: "Of the root directory, as a number (1023 is 1777 octal)." })),
  adopt: optional(Type.Boolean({ description: "Take over the data of a deleted share of that name, or files of one that the control plane does not know any more." })),
});
export const ShareChange = object({ ...optionalShareFields, enabled: optional(Type.Boolean()) });
export const Grant = object({ type: one(["user", "group"]), name: Name, level: Level });
export type Grant = Static<typeof Grant>;
export const GrantLevel = object({ level: Level });

/** The line that mounts a share, for each kind of client; null where no adapter serves it so. */
export const MountInfo = object({
  share: ShareName,
  nfs: orNull(object({ linux: Type.String(), macos: Type.String(), windows: Type.String() })),
  smb: orNull(object({ linux: Type.String(), macos: Type.String(), windows: Type.String(), smbclient: Type.String() })),
});

const SettingName = Type.String({ pattern: "^[a-z][a-z0-9_.-]{0,63}$" });
const SettingText = Type.String({ maxLength: 4096, pattern: "^[^\\u0000]*$" });
const Config = Type.Record(SettingName, Type.Union([SettingText, Type.Number(), Type.Boolean(), Type.Null()]), { additionalProperties: false });
export const StoreKind = one(["metadata", "block"]);
export const Store = object({
  name: Name,
  type: Type.String(),
  config: Config,
  secrets: Type.Array(Type.String(), { description: "Names of the secrets that are set; their values are never given out." }),
  used_by: Type.Array(ShareName),
  created_at: When,
  updated_at: When,
});
export type Store = Static<typeof Store>;
export const NewStore = object({ name: Name, type: searchText(32), config: optional(Config) });
export const StoreChange = object({ config: Config });
export const StoreHealth = object({
  name: Name,
  healthy: Type.Boolean(),
  error: orNull(Type.String()),
  latency_ms: orNull(Type.Number()),
  checked_at: When,
  requests: optional(Type.Array(object({ operation: Type.String(), ok: Type.Integer(), missing: Type.Integer({ description: "Answered that there is no such object." }), failed: Type.Integer(), bytes: Type.Integer(), latency_ms_sum: Type.Number(), latency_ms_max: Type.Number() }), {
    description: "What the served shares asked of a block store since they were opened, by kind of request.",
  })),
});
export const RotatedKeys = object({
  name: Name,
  shares: Type.Array(object({ share: ShareName, master_key: orNull(Type.String({ description: "Id of the master key its keyring is wrapped with now." })), keys: orNull(Type.Integer({ description: "Keys in its keyring." })), error: orNull(Type.String({ description: "Why its keyring is as it was." })) })),
});

export const AdapterType = one(["nfs", "smb"]);
export const Adapter = object({
  type: AdapterType,
  enabled: Type.Boolean(),
  port: Type.Integer({ minimum: 0, maximum: 65535 }),
  running: Type.Boolean(),
  error: orNull(Type.String()),
  address: orNull(Type.String()),
  listening_port: orNull(Type.Integer()),
  connections: Type.Integer(),
  overridden: Type.Array(Type.String(), { description: "Settings that a flag, the environment or the file overrides for this run." }),
  updated_at: When,
});
export type Adapter = Static<typeof Adapter>;
const Port = Type.Integer({ minimum: 0, maximum: 65535 });
export const NewAdapter = object({ type: AdapterType, enabled: optional(Type.Boolean()), port: optional(Port) });
export const AdapterChange = object({ enabled: optional(Type.Boolean()), port: optional(Port) });
export const AdapterPort = object({ type: AdapterType, port: Type.Integer(), enabled: Type.Boolean(), running: Type.Boolean() });

/** Values by setting, as `settings/defaults` lists them. */
export const Settings = Type.Record(SettingName, Type.Union([SettingText, Type.Number(), Type.Boolean()]), { additionalProperties: false });
export const SettingAbout = object({
  key: Type.String(),
  type: Type.String({ description: "integer, size (bytes), boolean, text" }),
  default: Type.Union([Type.String(), Type.Number(), Type.Boolean()]),
  allowed: Type.String(),
  help: Type.String(),
});
export const AdapterSettings = object({ type: AdapterType, settings: Settings, overridden: Type.Array(Type.String()) });
export const SettingsReset = object({ setting: optional(SettingName) });

export const Netgroup = object({
  name: Name,
  description: Text,
  members: Type.Array(object({ id: Type.String(), type: one(["ip", "cidr", "hostname"]), value: Type.String(), addresses: Type.Array(Type.String(), { description: "What a host name resolves to." }) })),
  used_by: Type.Array(ShareName),
  created_at: When,
  updated_at: When,
});
export type Netgroup = Static<typeof Netgroup>;
export const NewNetgroup = object({ name: Name, description: optional(Text) });
export const NewNetgroupMember = object({ type: one(["ip", "cidr", "hostname"]), value: Type.String({ minLength: 1, maxLength: 253, pattern: "^[A-Za-z0-9.:/_-]+$" }) });

export const Mount = object({ client: Type.String(), protocol: one(["nfs", "smb"]), share: ShareName, path: Type.String(), mounted_at: When });
export const Client = object({
  id: Type.String(),
  protocol: one(["nfs", "smb"]),
  address: Type.String(),
  user: orNull(Type.String({ description: "Of SMB whoever logged in; of NFS what the client last claimed: the user of that uid, or the uid." })),
  shares: Type.Array(ShareName),
  connected_at: When,
  last_seen_at: When,
  requests: Type.Integer(),
  bytes_in: Type.Integer(),
  bytes_out: Type.Integer(),
});

export const Setting = object({ key: Type.String(), value: Type.String(), default: Type.String(), help: Type.String(), allowed: Type.String() });
export const SettingValue = object({ value: SettingText });

export const AuditEntry = object({
  number: Type.Integer(),
  at: When,
  actor: Type.String(),
  address: Type.String(),
  action: Type.String(),
  target_type: Type.String(),
  target: Type.String(),
  before: Type.Unknown(),
  after: Type.Unknown(),
});

export const TroubledStore = object({
  name: Name,
  error: Type.String({ description: "What is wrong with it, as one of its shares found." }),
  since: orNull(When),
  shares: Type.Array(ShareName),
});
export const Status = object({
  version: Type.String(),
  started_at: When,
  uptime_seconds: Type.Integer(),
  pid: Type.Integer(),
  data_dir: orNull(Type.String({ description: "Null for role user." })),
  database: one(["sqlite", "postgres"]),
  shares: object({ serving: Type.Integer(), disabled: Type.Integer(), failed: Type.Integer(), volatile: Type.Integer({ description: "Those of them whose metadata or content is in memory." }) }),
  troubled_stores: Type.Array(TroubledStore, { description: "Block stores that shares can't store in, or read from, at present. Empty for role user." }),
  adapters: Type.Array(AdapterPort),
  clients: Type.Integer(),
});
export const Drained = object({ bytes: Type.Integer({ description: "Stored by this call." }), shares: Type.Array(object({ name: ShareName, bytes: Type.Integer() })), duration_ms: Type.Integer() });

export const Warmed = object({ bytes: Type.Integer({ description: "Fetched by this call." }), complete: Type.Boolean({ description: "Everything is on the disk; else the newest, as far as there was room." }) });
export const Evicted = object({ bytes: Type.Integer({ description: "Given back to the disk." }) });

export const Health = object({
  status: one(["healthy", "degraded", "unhealthy"]),
  timestamp: When,
  data: Type.Record(Type.String(), Type.Unknown()),
  error: optional(Type.String()),
});
