import type { Static } from "@sinclair/typebox";
import type * as s from "#api/contract/schemas.ts";
import type { Job } from "#control/jobs.ts";
import type * as n from "#control/nouns.ts";
import type { ClientInfo, DiskCacheState, HistoryState, MountInfo, Runtime, ScrubState, StoreHealth, StoreRequests } from "#control/runtime.ts";

/** The control plane's nouns as the interface shows them. */

/** Milliseconds since 1970 as the interface writes times. */
export function when(ms: number): string {
  return new Date(ms).toISOString();
}

const times = (of: n.Versioned) => ({ created_at: when(of.createdAt), updated_at: when(of.updatedAt) });

export function userView(user: n.User): s.User {
  return {
    username: user.name,
    uid: user.uid,
    gid: user.gid,
    email: user.email,
    display_name: user.displayName,
    role: user.role,
    enabled: user.enabled,
    must_change_password: user.mustChangePassword,
    groups: [...user.groups],
    ...times(user),
  };
}

export function groupView(group: n.Group): s.Group {
  return { name: group.name, gid: group.gid, description: group.description, members: [...group.members], ...times(group) };
}

/** How a share is doing, as one word and the reason where it is not served. */
export function shareStateOf(share: n.Share, runtime: Runtime): { readonly state: Static<typeof s.ShareState>; readonly error: string | null } {
  if (share.deleted) return { state: "deleted", error: null };
  const running = runtime.share(share.name);
  if (running?.state === "failed") return { state: "failed", error: running.error };
  if (!share.enabled) return { state: "disabled", error: null };
  return running === null ? { state: "failed", error: "It is not open. The server's log says why." } : { state: "serving", error: null };
}

/** `whole`: with what only operators are to know. */
export function shareView(share: n.Share, runtime: Runtime, whole: boolean): s.Share {
  const { state, error } = shareStateOf(share, runtime);
  return {
    name: share.name,
    metadata: share.metadata,
    blocks: share.blocks,
    description: share.description,
    durability: share.durability,
    read_only: share.readOnly,
    default_permission: share.defaultPermission,
    squash: share.squash,
    anonymous_uid: share.anonymousUid,
    anonymous_gid: share.anonymousGid,
    allowed_clients: share.allowedClients === null ? null : [...share.allowedClients],
    netgroups: [...share.netgroups],
    protocols: { nfs: share.protocols.nfs, smb: share.protocols.smb },
    manage_groups: share.manageGroups,
    smb_encryption: share.smbEncryption,
    smb_guest: share.smbGuest,
    smb_continuously_available: share.smbContinuouslyAvailable,
    quota_bytes: share.quotaBytes,
    quota_files: share.quotaFiles,
    scrub_rate: share.scrubRate,
    enabled: share.enabled,
    state,
    error: errorFor(error, whole),
    volatile: share.volatile,
    effective_clients: [...share.effectiveClients],
    ...times(share),
  };
}

/** What failed may name paths and hosts of the server. */
export function errorFor(error: string | null, whole: boolean): string | null {
  return error === null || whole ? error : "It failed. An operator can see why.";
}

/** Digits of a rate behind the point. */
const rateDigits = 4;

export function diskCacheView(cache: DiskCacheState | null): Static<typeof s.DiskCache> | null {
  if (cache === null) return null;
  const { hits, misses, hitBytes, missBytes, bytes, bytesMax, objects, evictedBytes, damaged } = cache;
  const rate = hits + misses === 0 ? null : Number((hits / (hits + misses)).toFixed(rateDigits));
  return { hit_rate: rate, hits, misses, hit_bytes: hitBytes, miss_bytes: missBytes, bytes, max_bytes: bytesMax, objects, evicted_bytes: evictedBytes, damaged };
}

export function historyView(history: HistoryState | null, seesAll: boolean): Static<typeof s.ShareStatus>["history"] {
  if (history === null) return null;
  const { ready, segments, bytes, oldestMs, error } = history;
  return { recoverable: ready, lag_segments: segments, lag_bytes: bytes, lag_ms: oldestMs, error: errorFor(error, seesAll) };
}

export function storeView(store: n.Store): s.Store {
  return { name: store.name, type: store.type, config: { ...store.config }, secrets: [...store.secrets], used_by: [...store.usedBy], ...times(store) };
}

export function storeHealthView(name: string, health: StoreHealth, requests: readonly StoreRequests[]): Static<typeof s.StoreHealth> {
  const counted = requests.map(({ ms, msMax, ...counts }) => ({ ...counts, latency_ms_sum: Math.round(ms), latency_ms_max: Math.round(msMax) }));
  return { ...(counted.length === 0 ? {} : { requests: counted }), name, healthy: health.healthy, error: health.error, latency_ms: health.latencyMs, checked_at: when(health.checkedAt) };
}

export function adapterView(adapter: n.Adapter, runtime: Runtime): s.Adapter {
  const state = runtime.adapter(adapter.type);
  return {
    type: adapter.type,
    enabled: adapter.enabled,
    port: adapter.port,
    running: state.running,
    error: state.error,
    address: state.address,
    listening_port: state.port,
    connections: state.connections,
    overridden: adapter.overridden.filter((name) => name === "enabled" || name === "port"),
    updated_at: when(adapter.updatedAt),
  };
}

export function adapterPortView(adapter: n.Adapter, runtime: Runtime): Static<typeof s.AdapterPort> {
  const state = runtime.adapter(adapter.type);
  return { type: adapter.type, port: state.port ?? adapter.port, enabled: adapter.enabled, running: state.running };
}

export function adapterSettingsView(adapter: n.Adapter): Static<typeof s.AdapterSettings> {
  return { type: adapter.type, settings: { ...adapter.settings }, overridden: adapter.overridden.filter((name) => name in adapter.settings) };
}

export function netgroupView(netgroup: n.Netgroup): s.Netgroup {
  return {
    name: netgroup.name,
    description: netgroup.description,
    members: netgroup.members.map((member) => ({ id: member.id, type: member.type, value: member.value, addresses: [...member.addresses] })),
    used_by: [...netgroup.usedBy],
    ...times(netgroup),
  };
}

export function mountView(mount: MountInfo): Static<typeof s.Mount> {
  return { client: mount.client, protocol: mount.protocol, share: mount.share, path: mount.path, mounted_at: when(mount.mountedAt) };
}

export function clientView(client: ClientInfo): Static<typeof s.Client> {
  return {
    id: client.id,
    protocol: client.protocol,
    address: client.address,
    user: client.user,
    shares: [...client.shares],
    connected_at: when(client.connectedAt),
    last_seen_at: when(client.lastSeenAt),
    requests: client.requests,
    bytes_in: client.bytesIn,
    bytes_out: client.bytesOut,
  };
}

export function settingView(setting: n.Setting): Static<typeof s.Setting> {
  return { key: setting.key, value: setting.value, default: setting.default, help: setting.help, allowed: setting.allowed };
}

export function scrubView(scrub: ScrubState): NonNullable<Static<typeof s.ShareStatus>["scrub"]> {
  return { rate: scrub.bytesPerSecond, running: scrub.running, checked_bytes: scrub.checkedBytes, damaged: scrub.damaged, last_ended_at: scrub.lastEndedAt === null ? null : when(scrub.lastEndedAt), last_damaged: scrub.lastDamaged };
}

export function jobView(job: Job): s.Job {
  return {
    id: job.id,
    kind: job.kind,
    share: job.share,
    state: job.state,
    started_by: job.startedBy,
    started_at: when(job.startedAt),
    ended_at: job.endedAt === null ? null : when(job.endedAt),
    progress: { ...job.progress },
    findings_total: job.findingsTotal,
    result: job.result === null ? null : { ...job.result },
    error: job.error,
  };
}

export function jobDetailView(job: Job): s.JobDetail {
  return { ...jobView(job), findings: job.findings.map((finding) => ({ ...finding })) };
}

export function auditView(entry: n.AuditEntry): Static<typeof s.AuditEntry> {
  return {
    number: entry.number,
    at: when(entry.at),
    actor: entry.actor,
    address: entry.address,
    action: entry.action,
    target_type: entry.targetType,
    target: entry.target,
    before: entry.before,
    after: entry.after,
  };
}
