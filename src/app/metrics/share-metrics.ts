import { countsOf } from "#metadata/index.ts";
import type { OpenShare } from "../share/open-share.ts";
import { asNumber, type Readers } from "./readers.ts";

/** How served shares are doing, and what clients hold in them. */
export function collectShares(shares: Readers<OpenShare>): void {
  // Each store has them at hand.
  const usageOf = ({ share }: OpenShare) => {
    const usage = share.store.usage();
    return usage instanceof Promise ? null : usage;
  };
  shares.number("dittofs_share_files", (share) => usageOf(share)?.inodes ?? null);
  shares.number("dittofs_share_stored_bytes", (share) => usageOf(share)?.bytes ?? null);
  shares.each("dittofs_store_reachable", ({ plan, counts, share }) => [
    { labels: [plan.name, plan.blocks.name, "block"], value: asNumber(counts.health.isReachable) },
    { labels: [plan.name, plan.metadata.name, "metadata"], value: asNumber(countsOf(share.store)?.sessions?.away !== true) },
  ]);
  shares.number("dittofs_damaged_objects", ({ counts }) => counts.health.lostObjects);
  shares.number("dittofs_damage_found_total", ({ counts }) => counts.health.damagesFound);
  collectScrubs(shares);
  collectHistories(shares);
  collectHeld(shares);
}

function collectScrubs(shares: Readers<OpenShare>): void {
  shares.number("dittofs_scrub_running", ({ scrubber }) => asNumber(scrubber.state.running));
  shares.number("dittofs_scrub_checked_bytes", ({ scrubber }) => scrubber.state.checkedBytes);
  shares.number("dittofs_scrub_damaged", ({ scrubber }) => scrubber.state.damaged);
  shares.number("dittofs_scrub_last_end_timestamp_seconds", ({ scrubber: { state } }) => (state.lastEndedAt === null ? null : state.lastEndedAt / 1000));
  shares.number("dittofs_scrub_last_damaged", ({ scrubber }) => scrubber.state.lastDamaged);
}

function collectHistories(shares: Readers<OpenShare>): void {
  shares.number("dittofs_history_lag_seconds", ({ history }) => (history === null ? null : (history.status.oldestMs ?? 0) / 1000));
  shares.number("dittofs_history_waiting_bytes", ({ history }) => history?.status.bytes ?? null);
  shares.number("dittofs_history_waiting_segments", ({ history }) => history?.status.segments ?? null);
  shares.number("dittofs_history_ready", ({ history }) => (history === null ? null : asNumber(history.status.ready)));
  shares.number("dittofs_history_published_segments_total", ({ history }) => history?.stats.segments ?? null);
  shares.number("dittofs_history_published_bytes_total", ({ history }) => history?.stats.bytes ?? null);
  shares.number("dittofs_history_owner_epoch", ({ history }) => history?.stats.epoch ?? null);
}

function collectHeld(shares: Readers<OpenShare>): void {
  shares.number("dittofs_open_files", ({ share }) => share.opens.size);
  shares.number("dittofs_byte_range_locks", ({ share }) => share.locks.held);
  shares.each("dittofs_leases", ({ plan: { name }, share: { opens: { leaseCounts } } }) => [
    { labels: [name, "lease"], value: leaseCounts.leases },
    { labels: [name, "oplock"], value: leaseCounts.oplocks },
  ]);
  shares.number("dittofs_lease_breaks_total", ({ share }) => share.opens.leaseCounts.breaks);
  shares.number("dittofs_lease_break_timeouts_total", ({ share }) => share.opens.leaseCounts.unanswered);
}
