import { smbDialects } from "./adapter-options.ts";
import type { Config } from "./options.ts";

/** What a log record of a WRITE has besides its payload is far below this. */
export const recordOverheadBytesMax = 64 * 1024;

const MiB = 2 ** 20;

/** Pages take so much of cache.size; the rest is for what is being received, sent and written, which the process holds beside them. */
const pagesPart = 0.8;

/** What is read ahead takes so much of that rest, and not less than keeps one reader in order at the speed of the network. */
const aheadPart = 0.1;
const aheadBytesMin = 64 * MiB;

/** What follows from several options together. */
export interface Limits {
  /** Dirty content one share may hold before its writers are slowed. */
  readonly dirtyBytesMaxPerShare: number;
  /** Page memory of one share. */
  readonly cacheBytesPerShare: number;
  readonly unstoredBytesMaxPerShare: number;
  readonly flushBytesPerShare: number;
  /** Inodes, and names, one share keeps in memory. */
  readonly filesMaxPerShare: number;
  /** Disk for copies of what a remote block store holds. */
  readonly diskCacheBytesPerShare: number;
  /** Memory for what is read ahead from such a store. */
  readonly aheadBytesPerShare: number;
}

export function deriveLimits(config: Config, shares: number): Limits {
  const { cache } = config;
  return {
    dirtyBytesMaxPerShare: Math.floor(cache.dirty_limit / shares),
    cacheBytesPerShare: Math.floor((cache.size * pagesPart) / shares),
    unstoredBytesMaxPerShare: Math.floor(cache.unstored_limit / shares),
    flushBytesPerShare: Math.min(cache.flush_size, Math.floor(cache.dirty_limit / shares / 2)),
    filesMaxPerShare: Math.max(1, Math.floor(cache.files / shares)),
    diskCacheBytesPerShare: Math.floor(cache.disk_size / shares),
    aheadBytesPerShare: Math.max(aheadBytesMin, Math.floor((cache.size * aheadPart) / shares)),
  };
}

/** Page memory, and inodes, below which a share would crawl. */
const cacheBytesMin = 4 * MiB;
const filesMin = 100;

/** How many shares there may be: each must keep a part that it can work with, however busy the others are. */
export function sharesMax(config: Config, writeBytesMax: number): number {
  const { cache } = config;
  return Math.floor(Math.min(cache.dirty_limit / (2 * writeBytesMax), (cache.size * pagesPart) / cacheBytesMin, cache.files / filesMin));
}

/** What is wrong with options that are each in bounds but don't go together. Keys name the option to change. */
export function checkTogether(config: Config): readonly { readonly key: string; readonly message: string }[] {
  const wrong: { key: string; message: string }[] = [];
  const must = (holds: boolean, key: string, message: string) => {
    if (!holds) wrong.push({ key, message });
  };
  const { nfs, smb } = config.adapters;
  const limits = deriveLimits(config, config.shares.length);
  must(config.cache.dirty_limit <= config.cache.size, "cache.dirty_limit", "must not be above cache.size: what is not stored yet is kept in memory");
  must(limits.dirtyBytesMaxPerShare >= 2 * nfs.max_write_size, "cache.dirty_limit", "must leave every share room for two writes of adapters.nfs.max_write_size");
  must(limits.dirtyBytesMaxPerShare >= 2 * smb.max_transfer_size, "cache.dirty_limit", "must leave every share room for two writes of adapters.smb.max_transfer_size");
  must(limits.cacheBytesPerShare >= cacheBytesMin, "cache.size", "must leave every share at least 4MiB");
  must(config.cache.log_segment_size >= nfs.max_write_size + recordOverheadBytesMax, "cache.log_segment_size", "must hold one write of adapters.nfs.max_write_size");
  must(config.cache.unstored_limit >= config.cache.dirty_limit, "cache.unstored_limit", "must not be below cache.dirty_limit: dirty content is in the log, too");
  must(config.cache.flush_size <= config.cache.dirty_limit, "cache.flush_size", "must not be above cache.dirty_limit: writers would be slowed before anything is flushed");
  must(
    !nfs.portmapper.enabled || nfs.port === 0 || nfs.port !== nfs.portmapper.port,
    "adapters.nfs.portmapper.port",
    "must differ from adapters.nfs.port",
  );
  checkSmb(config, must);
  checkControlPlane(config, must);
  checkShares(config, must);
  return wrong;
}

type Must = (holds: boolean, key: string, message: string) => void;

function checkSmb({ adapters: { nfs, smb }, cache }: Config, must: Must): void {
  must(smbDialects.indexOf(smb.min_dialect) <= smbDialects.indexOf(smb.max_dialect), "adapters.smb.min_dialect", "must not be newer than adapters.smb.max_dialect");
  must(smb.port === 0 || !nfs.enabled || !smb.enabled || smb.port !== nfs.port, "adapters.smb.port", "must differ from adapters.nfs.port");
  must(cache.log_segment_size >= smb.max_transfer_size + recordOverheadBytesMax, "cache.log_segment_size", "must hold one write of adapters.smb.max_transfer_size");
}

function checkControlPlane({ database, controlplane }: Config, must: Must): void {
  const { postgres } = database;
  for (const key of ["host", "database", "user"] as const) {
    must(database.type !== "postgres" || postgres[key] !== "", `database.postgres.${key}`, "missing; a PostgreSQL database needs it");
  }
  must(postgres.max_idle_conns <= postgres.max_open_conns, "database.postgres.max_idle_conns", "must not be above database.postgres.max_open_conns");
  const { cert_file, key_file, client_ca } = controlplane.tls;
  must((cert_file === "") === (key_file === ""), cert_file === "" ? "controlplane.tls.cert_file" : "controlplane.tls.key_file", "missing; certificate and key go together");
  must(client_ca === "" || cert_file !== "", "controlplane.tls.client_ca", "needs controlplane.tls.cert_file: clients are asked for certificates over HTTPS alone");
}

function checkShares({ shares }: Config, must: Must): void {
  const names = new Set<string>();
  const databases = new Set<string>();
  shares.forEach((share, i) => {
    must(!names.has(share.name), `shares[${i}].name`, `${share.name} is the name of two shares`);
    names.add(share.name);
    must(share.durability !== "remote" || (share.metadata.type !== "memory" && share.blocks.type !== "memory"), `shares[${i}].durability`, "must not be remote for a share in memory: what is acknowledged in remote outlives the machine, and this ends with the server");
    if (share.metadata.type !== "sqlite" || share.metadata.path === "") return;
    must(!databases.has(share.metadata.path), `shares[${i}].metadata.path`, "is the database of two shares");
    databases.add(share.metadata.path);
  });
}

/** What an operator should know though it is allowed. */
export function cautions(config: Config): readonly string[] {
  const out: string[] = [];
  for (const share of config.shares) {
    if (share.metadata.type === "memory") out.push(`share ${share.name}: metadata.type is memory: everything in it is gone when the server stops`);
    else if (share.blocks.type === "memory") out.push(`share ${share.name}: blocks.type is memory: names stay when the server stops, but the content is gone`);
    if (share.durability === "writeback") out.push(`share ${share.name}: durability is writeback: a power cut loses the last seconds, even what a COMMIT answered`);
  }
  return out;
}
