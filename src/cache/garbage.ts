import type { Clock, Timer } from "#base/clock.ts";
import type { BlockStore } from "#model/block-store.ts";
import { type Pack, PackState } from "#model/change-set.ts";
import { FsError } from "#model/fs-error.ts";
import type { ShareHistory } from "#model/history.ts";
import type { PackId } from "#model/ids.ts";
import type { FileExtent, MetadataStore } from "#model/metadata-store.ts";
import type { Logger } from "#telemetry/logger.ts";
import { addStored, addTo, GarbageStats, type Pass } from "./content-stats.ts";
import type { Flusher } from "./flusher.ts";
import type { OpenPackRef, PackTable } from "./pack-table.ts";
import { copyInto, type KnownBytes } from "./repack.ts";
import { SharedPacks } from "./shared-packs.ts";
import { findUnreferenced, isUnused, keysOfRows, type Unreferenced, unusedStrays } from "./unreferenced.ts";
import { isPackKey, packKeyPrefix } from "./packs/index.ts";
import { Parting } from "./parting.ts";
import { type StrayMemory, Strays } from "./strays.ts";
import { isPassing, type StoreHealth } from "./store-health.ts";

export interface GarbageOptions {
  /** How long a pack nobody refers to stays, so that a reader that just learnt of it still finds it. */
  readonly graceMs: number;
  readonly intervalMs: number;
  /** Where it is kept which objects nobody knows; absent: only while the process runs. */
  readonly strays?: StrayMemory;
}

const rowsPage = 256;
const extentsPage = 1024;
/** Most pages of extents moved out of one pack in a pass. */
const repackRoundsMax = 64;
const movesPerTurn = 64;
/** A collection when space is short begins this long after the removal that asks for it, so that removals share one. */
const soonMs = 300;
/** A pack with less than this part of it alive is rewritten. */
const repackBelow = 0.5;
/** The same where space is short: what is removed must come back, though more has to be copied for it. */
const repackShortBelow = 0.75;

/**
 * Gives back what nobody refers to. A pack's row says how many of its bytes are alive; one without any is doomed in a first pass
 * and deleted, object before row, in a later one after its grace (at once when space is short). Packs that are mostly dead are
 * rewritten, however often the rest is shared. Objects without a row are found by a listing, never by one that failed. Packs of this process that log records may
 * still point to (`PackTable.open`) are left alone.
 */
export class Garbage {
  private readonly packs: PackTable;
  private readonly store: MetadataStore;
  private readonly blocks: BlockStore;
  private readonly flusher: Flusher;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly options: GarbageOptions;
  private readonly health: StoreHealth;
  private timer: Timer | null = null;
  private soonTimer: Timer | null = null;
  private running: Promise<void> | null = null;
  private closed = false;
  private readonly strays: Strays;
  private readonly shared: SharedPacks;
  readonly stats: GarbageStats = new GarbageStats();
  /** Null where what is applied need not be published. */
  private readonly parting: Parting | null;

  constructor(
    packs: PackTable,
    store: MetadataStore,
    blocks: BlockStore,
    flusher: Flusher,
    clock: Clock,
    logger: Logger,
    options: GarbageOptions,
    health: StoreHealth,
    history: ShareHistory | null = null,
  ) {
    this.parting = history === null ? null : new Parting(history, blocks, logger);
    this.health = health;
    this.shared = new SharedPacks(store);
    this.packs = packs;
    this.store = store;
    this.blocks = blocks;
    this.flusher = flusher;
    this.clock = clock;
    this.logger = logger;
    this.options = options;
    this.strays = new Strays(clock, options.strays ?? null);
  }

  /** Begins the regular passes. */
  start(): void {
    if (this.closed) return;
    this.timer = this.clock.after(this.options.intervalMs, () => {
      void this.once(this.options.graceMs, true).finally(() => this.start());
    });
  }

  /** A collection without grace, joined if one runs. */
  urgent(): Promise<void> {
    this.packs.spares.drop();
    return this.once(0, false);
  }

  soon(): void {
    if (this.closed || this.soonTimer !== null) return;
    this.soonTimer = this.clock.after(soonMs, () => {
      this.soonTimer = null;
      void this.urgent();
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    this.timer?.cancel();
    this.soonTimer?.cancel();
    await this.running;
  }

  /** A regular pass now, after the one that runs: what it deleted. */
  async pass(): Promise<{ readonly deleted: number; readonly bytes: number }> {
    await this.running;
    if (this.closed) return { deleted: 0, bytes: 0 };
    let done: Pass | null = null;
    const work = this.counted(this.options.graceMs, true).then((pass) => void (done = pass));
    this.running = work.catch(() => {}).finally(() => (this.running = null));
    await work;
    await this.parting?.ended(this.clock);
    return done ?? { deleted: 0, bytes: 0 };
  }

  /** What nobody refers to, and what a regular pass would do with it now; nothing is changed. */
  unreferenced(): AsyncGenerator<Unreferenced> {
    const { store, blocks, packs, clock, options } = this;
    const strays = this.strays.known;
    return findUnreferenced({ store, blocks, isOpen: (id) => packs.open.has(id), strays, clock, graceMs: options.graceMs });
  }

  private once(graceMs: number, listing: boolean): Promise<void> {
    if (this.closed) return Promise.resolve();
    this.running ??= this.counted(graceMs, listing)
      .then(() => {})
      .catch((error) => {
        if (isPassing(error)) this.health.failed("collect", error);
        else this.logger.error({ error }, "garbage collection stopped; it will be tried again");
      })
      .finally(() => {
        this.running = null;
      });
    return this.running;
  }

  private async counted(graceMs: number, listing: boolean): Promise<Pass> {
    const pass: Pass = { repacked: 0, deleted: 0, bytes: 0, packs: { count: 0, bytes: 0, liveBytes: 0 } };
    await this.stats.pass(pass, this.clock, () => this.collect(graceMs, listing, pass));
    return pass;
  }

  private async collect(graceMs: number, listing: boolean, pass: Pass): Promise<void> {
    // What is dead already goes first: where space is short, it makes the room that repacking needs.
    await this.eachPack((row) => (addTo(pass.packs, row) === 0 ? this.retire(row.id, graceMs, pass) : null));
    const below = graceMs === 0 ? repackShortBelow : repackBelow;
    await this.eachPack((row) => (row.live > 0 && row.live < row.size * below ? this.rewrite(row, graceMs, pass) : null));
    this.shared.begin(graceMs === 0);
    await this.eachPack((row) => (row.live >= row.size * below && this.shared.isDue(row) ? this.rewriteShared(row, below, graceMs, pass) : null));
    if (listing && !this.closed) {
      await this.sweepStrays(graceMs, pass);
      this.health.worked("collect");
    }
    const { packs: _, ...did } = pass;
    if (pass.deleted > 0) this.logger.info(did, "garbage collected");
  }

  /** Goes through the rows of all packs but the open ones, a page of them an event-loop turn. One that fails doesn't keep the rest. */
  private async eachPack(visit: (row: Pack) => Promise<void> | null): Promise<void> {
    for (let after = 0; !this.closed; ) {
      const rows = await this.store.packs(after, rowsPage);
      for (const row of rows) {
        if (this.closed) return;
        if (this.packs.open.has(row.id)) continue;
        try {
          await visit(row);
        } catch (error) {
          if (isPassing(error)) throw error;
          this.logger.error({ error, pack: row.id }, "a pack could not be collected; it will be tried again");
        }
      }
      const last = rows[rows.length - 1];
      if (last === undefined || rows.length < rowsPage) return;
      after = last.id;
      await this.turn();
    }
  }

  private turn(): Promise<void> {
    return new Promise((resolve) => this.clock.atTurnEnd(resolve));
  }

  /** A pack that seemed to have no live bytes: dooms it, or deletes it when its grace is over. */
  private async retire(id: PackId, graceMs: number, pass: Pass): Promise<void> {
    const now = this.clock.now();
    const unused = await isUnused(this.store, id);
    // A page of rows ages while it is gone through: a flush may have filled and settled the pack since.
    const row = await this.store.pack(id);
    if (row === null || row.live > 0 || this.packs.open.has(id)) return;
    if (!unused) return this.logger.error({ pack: id }, "a pack is said to be unused, and files refer to it: it stays; repair the share's metadata (dittofs fsck --repair)");
    // A published segment may point there for bytes that are not stored anew since the start.
    const isDoomed = row.state === PackState.doomed;
    if (this.parting !== null && !isDoomed && this.flusher.mayHaveRecovered(row)) return;
    if (!isDoomed && graceMs > 0) return void (await this.store.apply({ conditions: [], changes: [{ do: "putPack", pack: { ...row, state: PackState.doomed, since: now } }] }));
    if (graceMs > 0 && (now.sec - row.since.sec) * 1000 < graceMs) return;
    if (this.parting === null) await this.blocks.delete([row.key]);
    await this.store.apply({ conditions: [], changes: [{ do: "deletePack", id: row.id }] });
    this.parting?.add(row.key);
    this.packs.forget(row.id);
    this.health.isDeleted(row.key);
    pass.deleted++;
    pass.bytes += row.size;
    pass.packs.count--;
    pass.packs.bytes -= row.size;
  }

  /** Repacks; what that emptied goes at once when space is short. */
  private async rewrite(row: Pack, graceMs: number, pass: Pass): Promise<void> {
    pass.repacked++;
    await this.repack(row, pass);
    if (graceMs === 0) await this.retire(row.id, 0, pass);
  }

  /** The same of a pack whose bytes files share: all at once, or what is shared would be copied more than once. */
  private async rewriteShared(row: Pack, below: number, graceMs: number, pass: Pass): Promise<void> {
    const [found] = await Promise.all([this.shared.mostlyDead(row, below), this.turn()]);
    if (found === null || this.packs.open.has(row.id)) return;
    pass.repacked++;
    this.shared.forget(row.id);
    if ((await this.move(found, pass)) && graceMs === 0) await this.retire(row.id, 0, pass);
  }

  /** Copies what is alive in a pack into fresh ones. A write or truncation that comes between wins: its extents no longer match. */
  private async repack(row: Pack, pass: Pass): Promise<void> {
    for (let round = 0; round < repackRoundsMax && !this.closed; round++) {
      const found = await this.store.extentsOfPack(row.id, extentsPage);
      if (found.length === 0 || !(await this.move(found, pass)) || found.length < extentsPage) return;
    }
  }

  /**
   * Puts bytes that are known to be right into a fresh pack, and has the extents they belong to refer there, as far as these are still the
   * same. False: not stored; nothing has changed.
   */
  replace(pieces: readonly KnownBytes[]): Promise<boolean> {
    return this.closed ? Promise.resolve(false) : this.move(pieces, null);
  }

  private async move(found: readonly (FileExtent | KnownBytes)[], pass: Pass | null): Promise<boolean> {
    const target = this.packs.create();
    if (target instanceof FsError) return false;
    target.holders++;
    try {
      return await this.moveTo(target, found, pass);
    } finally {
      // A flush's end settles it, or gives it up where it was not stored.
      target.holders--;
      this.flusher.releaseLog();
    }
  }

  private async moveTo(target: OpenPackRef, found: readonly (FileExtent | KnownBytes)[], pass: Pass | null): Promise<boolean> {
    const moves = await copyInto(target, found, this.packs);
    if (moves === null) return false;
    const bytes = target.file?.size ?? 0;
    if (!(await this.flusher.storeRepacked([target]))) return false;
    if (pass !== null) addStored(pass.packs, bytes);
    for (let i = 0; i < moves.length; i += movesPerTurn) {
      const turn = moves.slice(i, i + movesPerTurn).map((move) => this.store.apply({ conditions: [], changes: [move] }));
      await Promise.all(turn);
    }
    return true;
  }

  /** Packs no row speaks of: see `Strays`. */
  private async sweepStrays(graceMs: number, pass: Pass): Promise<void> {
    const turn = (): Promise<void> => this.turn();
    const known = await keysOfRows(this.store, turn);
    const seen = new Set<string>();
    for await (const { key } of this.blocks.list(packKeyPrefix(this.store.identity.instance))) {
      // What has left its row waits for its own end.
      if (!known.has(key) && isPackKey(key) && this.parting?.has(key) !== true) seen.add(key);
    }
    // A pack put while the listing ran has its row by now.
    for (const pack of this.packs.open.values()) seen.delete(pack.key);
    const due = this.strays.seen(seen, graceMs);
    const gone = await unusedStrays(this.store, due, turn);
    if (gone.length < due.length) this.logger.error({ objects: due.length - gone.length }, "objects stay that no row speaks of, but files do: repair the share's metadata (dittofs fsck --repair)");
    if (gone.length === 0) return;
    for (const key of gone) this.parting?.add(key);
    if (this.parting === null) await this.blocks.delete(gone);
    this.strays.forget(gone);
    pass.deleted += gone.length;
  }
}
