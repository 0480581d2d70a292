import { Type } from "@sinclair/typebox";
import { listOf, listQuery, object, route } from "../route.ts";
import * as s from "../schemas.ts";

const share = object({ share: s.ShareParam });
const tag = "Shares";

export const shares = {
  list: route("GET /api/v1/shares", { tag, summary: "List shares. Role user sees those it has a permission for.", role: "user" }, { query: listQuery(["name", "created_at"], { enabled: Type.Optional(Type.Boolean()), deleted: Type.Optional(Type.Boolean({ description: "Those that are deleted and not purged, instead." })), search: Type.Optional(s.searchText(255)) }), reply: listOf(s.Share) }),
  create: route("POST /api/v1/shares", { tag, summary: "Create a share and serve it at once.", role: "admin", status: 201, errors: ["already_exists", "data_exists", "invalid_value", "not_found", "store_unreachable"], example: { name: "/projects", metadata: "default", blocks: "default", default_permission: "none" } }, { body: s.NewShare, reply: s.Share }),
  show: route("GET /api/v1/shares/{share}", { tag, summary: "Show a share. For role user one it has no permission for is not there.", role: "user", errors: ["not_found"] }, { params: share, reply: s.Share }),
  edit: route("PUT /api/v1/shares/{share}", { tag, summary: "Change a share; what is left out stays. Clients see it with their next request.", role: "admin", errors: ["not_found", "invalid_value"], example: { read_only: true } }, { params: share, body: s.ShareChange, reply: s.Share }),
  delete: route("DELETE /api/v1/shares/{share}", { tag, summary: "Delete a share. Its data stays until it is purged.", role: "admin", errors: ["not_found", "in_use", "conflict"] }, { params: share, query: object({ force: Type.Optional(Type.Boolean({ description: "Even while clients use it, or its block store does not take what a share in memory holds, which is lost then." })), purge: Type.Optional(Type.Boolean({ description: "Its data, too, for good. Also of a share that was deleted before." })) }) }),
  enable: route("POST /api/v1/shares/{share}/enable", { tag, summary: "Serve a share again.", role: "operator", errors: ["not_found", "store_unreachable"] }, { params: share, reply: s.Share }),
  disable: route("POST /api/v1/shares/{share}/disable", { tag, summary: "Refuse requests to a share; its data stays.", role: "operator", errors: ["not_found"] }, { params: share, reply: s.Share }),
  accept: route("POST /api/v1/shares/{share}/accept", { tag, summary: "Serve what this server has in the place of a share whose tree is lost: whatever lies there, or an empty tree. What the control plane knew the share by is forgotten.", role: "admin", errors: ["not_found", "conflict", "store_unreachable"] }, { params: share, reply: s.Share }),
  warm: route("POST /api/v1/shares/{share}/warm", { tag, summary: "Fetch what a share on a remote store has into its cache on disk, the newest first, as far as there is room; answered when that is done.", role: "operator", unhurried: true, errors: ["not_found", "conflict", "store_unreachable"] }, { params: share, reply: s.Warmed }),
  evict: route("POST /api/v1/shares/{share}/evict", { tag, summary: "Remove what a share's cache on disk holds. It can all be had again from its block store.", role: "operator", errors: ["not_found", "conflict"] }, { params: share, reply: s.Evicted }),
  fsck: route("POST /api/v1/shares/{share}/fsck", { tag, summary: "Begin a job that checks whether a share is whole, while it is served.", role: "operator", status: 202, errors: ["not_found", "in_use", "busy"], example: { data: true } }, { params: share, body: s.FsckOptions, reply: s.Job }),
  scrub: route("POST /api/v1/shares/{share}/scrub", { tag, summary: "Begin a job that reads all content of a share and compares it with its checksums, from where it was left last.", role: "operator", status: 202, errors: ["not_found", "in_use", "busy"], example: { rate: 20971520 } }, { params: share, body: s.ScrubOptions, reply: s.Job }),
  migrate: route("POST /api/v1/shares/{share}/migrate", { tag, summary: "Begin a job that moves a share's metadata, its content or both to other stores. Clients wait while the last of it is copied.", role: "admin", status: 202, errors: ["not_found", "invalid_value", "conflict", "in_use", "busy"], example: { blocks: "bucket" } }, { params: share, body: s.MigrateOptions, reply: s.Job }),
  gc: route("POST /api/v1/shares/{share}/gc", { tag, summary: "Begin a job that shows what of a share's block store nobody refers to, and deletes it where that is asked for.", role: "operator", status: 202, errors: ["not_found", "in_use", "busy"], example: { delete: false } }, { params: share, body: s.GcOptions, reply: s.Job }),
  status: route("GET /api/v1/shares/{share}/status", { tag, summary: "How a share is doing; for role user as with showing it.", role: "user", errors: ["not_found"] }, { params: share, reply: s.ShareStatus }),
  mounts: route("GET /api/v1/shares/{share}/mounts", { tag, summary: "Who has mounted a share.", role: "operator", errors: ["not_found"] }, { params: share, query: listQuery(["client", "mounted_at"], {}), reply: listOf(s.Mount) }),
  mountInfo: route("GET /api/v1/shares/{share}/mount-info", { tag, summary: "The lines that mount a share; for role user as with showing it.", role: "user", errors: ["not_found"] }, { params: share, query: object({ host: Type.Optional(Type.String({ maxLength: 253, pattern: "^[A-Za-z0-9.:_-]+$", description: "How clients reach this server." })) }), reply: s.MountInfo }),
};

const user = object({ share: s.ShareParam, username: s.Name });
const group = object({ share: s.ShareParam, group: s.Name });

export const permissions = {
  list: route("GET /api/v1/shares/{share}/permissions", { tag: "Permissions", summary: "List a share's grants.", role: "operator", errors: ["not_found"] }, { params: share, query: listQuery(["name"], { type: Type.Optional(Type.Union([Type.Literal("user"), Type.Literal("group")])) }), reply: listOf(s.Grant) }),
  grantUser: route("PUT /api/v1/shares/{share}/permissions/users/{username}", { tag: "Permissions", summary: "Grant a user a level; it replaces the one they had.", role: "admin", errors: ["not_found"], example: { level: "read-write" } }, { params: user, body: s.GrantLevel, reply: s.Grant }),
  revokeUser: route("DELETE /api/v1/shares/{share}/permissions/users/{username}", { tag: "Permissions", summary: "Take a user's grant away.", role: "admin", errors: ["not_found"] }, { params: user }),
  grantGroup: route("PUT /api/v1/shares/{share}/permissions/groups/{group}", { tag: "Permissions", summary: "Grant a group a level; it replaces the one it had.", role: "admin", errors: ["not_found"], example: { level: "read" } }, { params: group, body: s.GrantLevel, reply: s.Grant }),
  revokeGroup: route("DELETE /api/v1/shares/{share}/permissions/groups/{group}", { tag: "Permissions", summary: "Take a group's grant away.", role: "admin", errors: ["not_found"] }, { params: group }),
};

const store = object({ kind: s.StoreKind, name: s.Name });
const kind = object({ kind: s.StoreKind });

export const stores = {
  list: route("GET /api/v1/store/{kind}", { tag: "Stores", summary: "List metadata or block stores.", role: "operator" }, { params: kind, query: listQuery(["name", "type", "created_at"], { type: Type.Optional(s.searchText(32)) }), reply: listOf(s.Store) }),
  create: route("POST /api/v1/store/{kind}", { tag: "Stores", summary: "Add a store, after it was tried.", role: "admin", status: 201, errors: ["already_exists", "invalid_value", "store_unreachable"], example: { name: "fast", type: "filesystem", config: { path: "/mnt/nvme/blocks" } } }, { params: kind, body: s.NewStore, reply: s.Store }),
  show: route("GET /api/v1/store/{kind}/{name}", { tag: "Stores", summary: "Show a store, without its secrets.", role: "operator", errors: ["not_found"] }, { params: store, reply: s.Store }),
  edit: route("PUT /api/v1/store/{kind}/{name}", { tag: "Stores", summary: "Change a store's configuration; what is left out stays, null takes a value away.", role: "admin", errors: ["not_found", "invalid_value", "in_use", "store_unreachable"], example: { config: { path: "/mnt/nvme/blocks" } } }, { params: store, body: s.StoreChange, reply: s.Store }),
  delete: route("DELETE /api/v1/store/{kind}/{name}", { tag: "Stores", summary: "Take a store off the list. What it holds stays.", role: "admin", errors: ["not_found", "in_use"] }, { params: store }),
  health: route("GET /api/v1/store/{kind}/{name}/health", { tag: "Stores", summary: "Try a store now.", role: "operator", errors: ["not_found"] }, { params: store, reply: s.StoreHealth }),
  status: route("GET /api/v1/store/{kind}/{name}/status", { tag: "Stores", summary: "What is known of a store, without trying it.", role: "operator", errors: ["not_found"] }, { params: store, reply: s.StoreHealth }),
  rotateKeys: route("POST /api/v1/store/block/{name}/rotate-keys", { tag: "Stores", summary: "Wrap the keyrings of all shares on an encrypted block store with the first master key of its file or variable, and begin a new key for what is stored from here on. Content stays as it is.", role: "admin", unhurried: true, errors: ["not_found", "conflict", "store_unreachable"] }, { params: object({ name: s.Name }), reply: s.RotatedKeys }),
};
