import { Type } from "@sinclair/typebox";
import { bytes, listOf, listQuery, none, object, route } from "../route.ts";
import * as s from "../schemas.ts";

const adapter = object({ type: s.AdapterType });
const dryRun = object({ dry_run: Type.Optional(Type.Boolean({ description: "Only say whether it would be taken." })) });
const tag = "Adapters";

export const adapters = {
  ports: route("GET /api/v1/adapters/ports", { tag, summary: "What listens where.", role: "user" }, { reply: object({ items: Type.Array(s.AdapterPort) }) }),
  list: route("GET /api/v1/adapters", { tag, summary: "List adapters.", role: "operator" }, { query: listQuery(["type"], {}), reply: listOf(s.Adapter) }),
  create: route("POST /api/v1/adapters", { tag, summary: "Add an adapter that was removed.", role: "admin", status: 201, errors: ["already_exists", "invalid_value", "conflict"], example: { type: "nfs", port: 12049 } }, { body: s.NewAdapter, reply: s.Adapter }),
  show: route("GET /api/v1/adapters/{type}", { tag, summary: "Show an adapter.", role: "operator", errors: ["not_found"] }, { params: adapter, reply: s.Adapter }),
  edit: route("PUT /api/v1/adapters/{type}", { tag, summary: "Enable, disable or move an adapter.", role: "admin", errors: ["not_found", "invalid_value", "conflict"], example: { port: 2049 } }, { params: adapter, body: s.AdapterChange, reply: s.Adapter }),
  delete: route("DELETE /api/v1/adapters/{type}", { tag, summary: "Stop an adapter and forget its settings.", role: "admin", errors: ["not_found"] }, { params: adapter }),
  status: route("GET /api/v1/adapters/{type}/status", { tag, summary: "Whether an adapter runs, and how.", role: "operator", errors: ["not_found"] }, { params: adapter, reply: s.Adapter }),
  settings: route("GET /api/v1/adapters/{type}/settings", { tag, summary: "An adapter's settings.", role: "operator", errors: ["not_found"] }, { params: adapter, reply: s.AdapterSettings }),
  replaceSettings: route("PUT /api/v1/adapters/{type}/settings", { tag, summary: "Set all settings; what is left out goes back to its default.", role: "admin", errors: ["not_found", "invalid_value", "conflict"], example: { max_read_size: 4194304 } }, { params: adapter, query: dryRun, body: s.Settings, reply: s.AdapterSettings }),
  changeSettings: route("PATCH /api/v1/adapters/{type}/settings", { tag, summary: "Set some settings.", role: "admin", errors: ["not_found", "invalid_value", "conflict"], example: { max_connections: 1024 } }, { params: adapter, query: dryRun, body: s.Settings, reply: s.AdapterSettings }),
  defaults: route("GET /api/v1/adapters/{type}/settings/defaults", { tag, summary: "Every setting, with its default and what it may be.", role: "operator", errors: ["not_found"] }, { params: adapter, reply: object({ items: Type.Array(s.SettingAbout) }) }),
  reset: route("POST /api/v1/adapters/{type}/settings/reset", { tag, summary: "Put one setting, or all, back to the default.", role: "admin", errors: ["not_found", "invalid_value", "conflict"], example: { setting: "max_read_size" } }, { params: adapter, body: s.SettingsReset, reply: s.AdapterSettings }),
  mounts: route("GET /api/v1/adapters/{type}/mounts", { tag, summary: "Who has mounted what through an adapter.", role: "operator", errors: ["not_found"] }, { params: adapter, query: listQuery(["client", "mounted_at"], {}), reply: listOf(s.Mount) }),
};

const Id = Type.String({ pattern: "^[A-Za-z0-9_.:%@-]{1,64}$" });
const netgroup = object({ name: s.Name });

export const netgroups = {
  list: route("GET /api/v1/netgroups", { tag: "Netgroups", summary: "List netgroups.", role: "operator" }, { query: listQuery(["name", "created_at"], {}), reply: listOf(s.Netgroup) }),
  create: route("POST /api/v1/netgroups", { tag: "Netgroups", summary: "Create a netgroup.", role: "admin", status: 201, errors: ["already_exists", "invalid_value"], example: { name: "lab" } }, { body: s.NewNetgroup, reply: s.Netgroup }),
  show: route("GET /api/v1/netgroups/{name}", { tag: "Netgroups", summary: "Show a netgroup, its host names resolved.", role: "operator", errors: ["not_found"] }, { params: netgroup, reply: s.Netgroup }),
  delete: route("DELETE /api/v1/netgroups/{name}", { tag: "Netgroups", summary: "Delete a netgroup no share lets in.", role: "admin", errors: ["not_found", "in_use"] }, { params: netgroup }),
  addMember: route("POST /api/v1/netgroups/{name}/members", { tag: "Netgroups", summary: "Add an address, a network or a host name.", role: "admin", status: 201, errors: ["not_found", "invalid_value", "already_exists"], example: { type: "cidr", value: "192.168.1.0/24" } }, { params: netgroup, body: s.NewNetgroupMember, reply: s.Netgroup }),
  removeMember: route("DELETE /api/v1/netgroups/{name}/members/{id}", { tag: "Netgroups", summary: "Take a member out.", role: "admin", errors: ["not_found"] }, { params: object({ name: s.Name, id: Id }) }),
};

const protocol = Type.Optional(Type.Union([Type.Literal("nfs"), Type.Literal("smb")]));
const shareFilter = Type.Optional(s.searchText(255));

export const clients = {
  mounts: route("GET /api/v1/mounts", { tag: "Clients", summary: "Who has mounted what, all protocols.", role: "operator" }, { query: listQuery(["client", "share", "mounted_at"], { protocol, share: shareFilter }), reply: listOf(s.Mount) }),
  list: route("GET /api/v1/clients", { tag: "Clients", summary: "Who is connected.", role: "operator" }, { query: listQuery(["address", "connected_at", "requests"], { protocol, share: shareFilter }), reply: listOf(s.Client) }),
  disconnect: route("DELETE /api/v1/clients/{id}", { tag: "Clients", summary: "Close a client's connection. It may come back; to keep it out, change who is let in.", role: "operator", ifMatch: false, errors: ["not_found"] }, { params: object({ id: Id }) }),
};

const setting = object({ key: Type.String({ pattern: "^[a-z][a-z0-9_.-]{0,63}$" }) });

export const settings = {
  list: route("GET /api/v1/settings", { tag: "Settings", summary: "List the server's settings.", role: "operator" }, { query: listQuery(["key"], {}), reply: listOf(s.Setting) }),
  show: route("GET /api/v1/settings/{key}", { tag: "Settings", summary: "Show a setting.", role: "operator", errors: ["not_found"] }, { params: setting, reply: s.Setting }),
  set: route("PUT /api/v1/settings/{key}", { tag: "Settings", summary: "Set a setting; it takes effect at once.", role: "admin", errors: ["not_found", "invalid_value"], example: { value: "debug" } }, { params: setting, body: s.SettingValue, reply: s.Setting }),
  reset: route("DELETE /api/v1/settings/{key}", { tag: "Settings", summary: "Put a setting back to its default.", role: "admin", errors: ["not_found"] }, { params: setting }),
};

export const audit = {
  list: route("GET /api/v1/audit", { tag: "Audit", summary: "Who changed what, the oldest first unless told.", role: "admin" }, { query: listQuery(["number"], { actor: Type.Optional(s.searchText(64)), action: Type.Optional(s.searchText(64)), target_type: Type.Optional(s.searchText(64)), target: Type.Optional(s.searchText(255)), since: Type.Optional(Type.String({ maxLength: 40, description: "ISO 8601." })) }), reply: listOf(s.AuditEntry) }),
};

const job = object({ id: Type.String({ pattern: "^[0-9a-f]{16}$" }) });

export const jobs = {
  list: route("GET /api/v1/jobs", { tag: "Jobs", summary: "List long work: what is under way, and what ended lately.", role: "operator" }, { query: listQuery(["started_at", "kind", "share"], { state: Type.Optional(s.JobState), share: shareFilter }), reply: listOf(s.Job) }),
  show: route("GET /api/v1/jobs/{id}", { tag: "Jobs", summary: "Show a job with what it found.", role: "operator", errors: ["not_found"] }, { params: job, reply: s.JobDetail }),
  cancel: route("DELETE /api/v1/jobs/{id}", { tag: "Jobs", summary: "End a job before it is done. What it did stays.", role: "operator", ifMatch: false, errors: ["not_found"] }, { params: job }),
};

export const system = {
  status: route("GET /api/v1/status", { tag: "System", summary: "How the server is doing.", role: "user", beforePasswordChange: true }, { reply: s.Status }),
  stats: route("GET /api/v1/stats", { tag: "System", summary: "What is going on: rates, latencies, waiting content and the busiest clients of the last seconds. As text/event-stream: again and again.", role: "operator", unhurried: true, events: true, errors: ["busy"] }, { query: object({ interval: Type.Optional(Type.Integer({ minimum: 1, maximum: s.statsSecondsMax, description: "Seconds that figures are of, and between two events; 1 unless told." })) }), reply: s.Stats }),
  drainUploads: route("POST /api/v1/system/drain-uploads", { tag: "System", summary: "Store everything that is accepted and not yet in its block store.", role: "operator", unhurried: true, errors: ["not_found", "no_progress"] }, { query: object({ share: shareFilter }), body: none, reply: s.Drained }),
};

const profileTypes = Type.Union([Type.Literal("cpu"), Type.Literal("inuse_objects"), Type.Literal("inuse_space")]);
export const profileSeconds = { min: 1, max: 60, default: 10 } as const;
const profileQuery = object({ seconds: Type.Optional(Type.Integer({ minimum: profileSeconds.min, maximum: profileSeconds.max, description: `Of \`cpu\`: how long it is recorded; ${profileSeconds.default} unless told.` })) });

export const profiles = {
  take: route(
    "GET /api/v1/profiles/{type}",
    { tag: "System", summary: "Take a profile of the server and get it as a gzipped pprof file; one at a time.", role: "operator", unhurried: true, errors: ["busy"], media: "application/vnd.google.protobuf+gzip" },
    { params: object({ type: profileTypes }), query: profileQuery, reply: bytes },
  ),
};

export const health = {
  live: route("GET /health", { tag: "Health", summary: "Whether the process lives; always 200.", role: "anyone" }, { reply: s.Health }),
  ready: route("GET /health/ready", { tag: "Health", summary: "Whether it serves; 503 where it doesn't.", role: "anyone", errors: ["unavailable"] }, { reply: s.Health }),
  stores: route("GET /health/stores", { tag: "Health", summary: "Each store's health and latency.", role: "anyone", errors: ["unavailable"] }, { reply: s.Health }),
};
