import type { OpenShare } from "../share/open-share.ts";
import type { Readers } from "./readers.ts";

/** What shares count of their content. */
export function collectContent(shares: Readers<OpenShare>): void {
  collectCaches(shares);
  collectBacklog(shares);
  collectPacks(shares);
}

function collectCaches(shares: Readers<OpenShare>): void {
  type Tier = { readonly hits: number; readonly misses: number; readonly evictions: number; readonly evictedBytes: number; readonly bytes: number; readonly bytesMax: number };
  const tiered = (name: "dittofs_cache_hits_total" | "dittofs_cache_misses_total" | "dittofs_cache_evictions_total" | "dittofs_cache_evicted_bytes_total" | "dittofs_cache_bytes" | "dittofs_cache_limit_bytes", read: (tier: Tier) => number): void =>
    shares.each(name, ({ plan, counts: { reads, pages }, diskCacheStats: disk }) => {
      const { pool, evictions, evictedBytes } = pages;
      const memory = { hits: reads.hits, misses: reads.misses, evictions, evictedBytes, bytes: pool.bytes, bytesMax: pool.capacity };
      const samples = [{ labels: [plan.name, "memory"], value: read(memory) }];
      if (disk !== null) samples.push({ labels: [plan.name, "disk"], value: read(disk) });
      return samples;
    });
  tiered("dittofs_cache_hits_total", ({ hits }) => hits);
  tiered("dittofs_cache_misses_total", ({ misses }) => misses);
  tiered("dittofs_cache_evictions_total", ({ evictions }) => evictions);
  tiered("dittofs_cache_evicted_bytes_total", ({ evictedBytes }) => evictedBytes);
  tiered("dittofs_cache_bytes", ({ bytes }) => bytes);
  tiered("dittofs_cache_limit_bytes", ({ bytesMax }) => bytesMax);
  shares.each("dittofs_disk_cache_read_bytes_total", ({ plan: { name }, diskCacheStats: disk }) =>
    disk === null ? [] : [{ labels: [name, "hit"], value: disk.hitBytes }, { labels: [name, "miss"], value: disk.missBytes }],
  );
  shares.number("dittofs_disk_cache_prefetched_bytes_total", ({ diskCacheStats }) => diskCacheStats?.aheadBytes ?? null);
  shares.number("dittofs_disk_cache_damaged_copies_total", ({ diskCacheStats }) => diskCacheStats?.damaged ?? null);
  shares.number("dittofs_disk_cache_objects", ({ diskCacheStats }) => diskCacheStats?.objects ?? null);
}

function collectBacklog(shares: Readers<OpenShare>): void {
  shares.number("dittofs_dirty_bytes", (share) => share.dirtyBytes);
  shares.number("dittofs_dirty_limit_bytes", ({ counts }) => counts.limits.dirtyBytesMax);
  shares.number("dittofs_upload_backlog_bytes", (share) => share.unstoredBytes);
  shares.number("dittofs_upload_backlog_age_seconds", ({ oldestUnstoredMs }) => (oldestUnstoredMs ?? 0) / 1000);
  shares.number("dittofs_writers_waiting", ({ counts }) => counts.writers.waiters);
  shares.number("dittofs_writes_delayed_total", ({ counts }) => counts.writers.delayed);
  shares.each("dittofs_writes_turned_away_total", ({ plan: { name }, counts: { writers } }) => [
    { labels: [name, "backlog"], value: writers.turnedAway },
    { labels: [name, "no_space"], value: writers.noRoom },
  ]);
  shares.number("dittofs_log_bytes", ({ counts }) => counts.log.bytes);
  shares.number("dittofs_log_limit_bytes", ({ counts }) => counts.limits.unstoredBytesMax);
  shares.number("dittofs_log_full_ratio", ({ counts: { writers, limits } }) => writers.unstoredBytes / limits.unstoredBytesMax);
  shares.number("dittofs_log_records_total", ({ counts }) => counts.log.stats.records);
  shares.number("dittofs_log_written_bytes_total", ({ counts }) => counts.log.stats.bytes);
  shares.histogram("dittofs_log_sync_duration_seconds", ({ counts }) => counts.log.stats.syncs);
  shares.each("dittofs_flushes_total", ({ plan: { name }, counts: { flushes } }) => [
    { labels: [name, "stored"], value: flushes.stored },
    { labels: [name, "no_room"], value: flushes.noRoom },
    { labels: [name, "away"], value: flushes.away },
    { labels: [name, "failed"], value: flushes.failed },
  ]);
  shares.histogram("dittofs_flush_duration_seconds", ({ counts }) => counts.flushes.durations);
}

function collectPacks(shares: Readers<OpenShare>): void {
  shares.number("dittofs_packs_stored_total", ({ counts }) => counts.packs.stored);
  shares.number("dittofs_packs_stored_bytes_total", ({ counts }) => counts.packs.storedBytes);
  shares.number("dittofs_packs", ({ counts }) => counts.garbage.packs?.count ?? null);
  shares.number("dittofs_packs_live_bytes", ({ counts }) => counts.garbage.packs?.liveBytes ?? null);
  shares.number("dittofs_packs_garbage_bytes", ({ counts: { garbage: { packs } } }) => (packs === null ? null : Math.max(0, packs.bytes - packs.liveBytes)));
  shares.each("dittofs_gc_runs_total", ({ plan: { name }, counts: { garbage } }) => [
    { labels: [name, "done"], value: garbage.done },
    { labels: [name, "failed"], value: garbage.failed },
  ]);
  shares.histogram("dittofs_gc_duration_seconds", ({ counts }) => counts.garbage.durations);
  shares.number("dittofs_gc_last_run_timestamp_seconds", ({ counts }) => counts.garbage.endedAt);
  shares.number("dittofs_gc_deleted_packs_total", ({ counts }) => counts.garbage.deleted);
  shares.number("dittofs_gc_freed_bytes_total", ({ counts }) => counts.garbage.deletedBytes);
  shares.number("dittofs_gc_rewritten_packs_total", ({ counts }) => counts.garbage.rewritten);
}
