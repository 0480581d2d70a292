import type { Clock } from "#base/clock.ts";
import type { Time } from "#base/time.ts";
import type { Change, Pack } from "#model/change-set.ts";
import { PackState } from "#model/change-set.ts";
import { type BlockStore, StoreFullError, StoreRefusedError } from "#model/block-store.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { FileTable } from "./file-table.ts";
import { isFull } from "./log/file-ops.ts";
import type { OpenPackRef, PackTable } from "./pack-table.ts";
import type { SealedPack } from "./packs/index.ts";
import { isPassing, type StoreHealth } from "./store-health.ts";

/** Takes pack files into the block store: a row that bars collection, the object, then the row that extents may refer to. */
export class PackUploads {
  private readonly files: FileTable;
  private readonly packs: PackTable;
  private readonly metadata: MetadataStore;
  private readonly blocks: BlockStore;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly health: StoreHealth;

  constructor(files: FileTable, packs: PackTable, metadata: MetadataStore, blocks: BlockStore, clock: Clock, logger: Logger, health: StoreHealth) {
    this.files = files;
    this.packs = packs;
    this.metadata = metadata;
    this.blocks = blocks;
    this.clock = clock;
    this.logger = logger;
    this.health = health;
  }

  /** Puts packs into the block store and makes their rows live; false when there is no room. */
  async store(packs: readonly OpenPackRef[]): Promise<boolean> {
    const fresh = packs.filter((pack) => pack.stored === null && pack.storing === null);
    if (fresh.length > 0) {
      const storing = this.storeFresh(fresh);
      const over = (): void => fresh.forEach((pack) => (pack.storing = null));
      for (const pack of fresh) pack.storing = storing;
      storing.then(over, over);
    }
    // A pack may be on its way for somebody else, too.
    const ways = new Set<Promise<boolean>>();
    for (const { storing } of packs) if (storing !== null) ways.add(storing);
    for (const stored of await Promise.all(ways)) if (!stored) return false;
    const unadopted = packs.filter((pack) => !pack.adopted);
    if (unadopted.length === 0) return true;
    const now = this.clock.now();
    const live = unadopted.map((pack): Change => {
      return { do: "putPack", pack: row(pack, PackState.live, pack.stored as NonNullable<OpenPackRef["stored"]>, now) };
    });
    const adopted = await this.metadata.apply({ conditions: [], changes: live });
    if (!adopted.applied) return false;
    for (const pack of unadopted) pack.adopted = true;
    return true;
  }

  private async storeFresh(fresh: readonly OpenPackRef[]): Promise<boolean> {
    if (!(await succeeded(fresh.map((pack) => sealed(pack))))) return false;
    const now = this.clock.now();
    // With its frames: where the process ends before the row is live, a start needs nothing of the object to go on with it.
    const pending = await Promise.all(fresh.map(async (pack): Promise<Change> => ({ do: "putPack", pack: row(pack, PackState.pending, await sealed(pack), now) })));
    const barred = await this.metadata.apply({ conditions: [], changes: pending });
    return barred.applied && (await this.putAll(fresh));
  }

  /** Puts them all at once, and notes what that says of the store. */
  private async putAll(packs: readonly OpenPackRef[]): Promise<boolean> {
    const puts = packs.map((pack) => this.put(pack));
    const outcomes = await Promise.allSettled(puts);
    const failed = outcomes.find((outcome) => outcome.status === "rejected")?.reason;
    if (failed === undefined) this.health.worked("write");
    else if (isPassing(failed) || failed instanceof StoreFullError) this.health.failed("write", failed);
    return succeeded(puts);
  }

  private async put(pack: OpenPackRef): Promise<void> {
    const file = pack.file as NonNullable<OpenPackRef["file"]>;
    const { size, objectBytes, frames } = await sealed(pack);
    try {
      await this.blocks.put(pack.key, { from: "file", path: file.path, size: objectBytes });
    } catch (error) {
      if (error instanceof StoreFullError || error instanceof StoreRefusedError || isFull(error) || !(await this.isThere(pack))) throw error;
      this.logger.warn({ error, pack: pack.id }, "the block store failed to put an object, and has it");
    }
    pack.stored = { key: pack.key, size, frames };
    pack.file = null;
    this.files.unfile(pack);
    await file.close();
  }

  /** An answer may have been lost: the object is there, whole, and will be refused for ever after. Not known: it is put again. */
  private async isThere(pack: OpenPackRef): Promise<boolean> {
    try {
      return (await this.packs.fromObject(pack.id)) !== null;
    } catch {
      return false;
    }
  }
}

function sealed(pack: OpenPackRef): Promise<SealedPack> {
  return (pack.file as NonNullable<OpenPackRef["file"]>).seal();
}

/** Waits for all; false where there was no room for one, throws what else went wrong. */
async function succeeded(all: readonly Promise<unknown>[]): Promise<boolean> {
  const outcomes = await Promise.allSettled(all);
  let room = true;
  for (const outcome of outcomes) {
    if (outcome.status === "fulfilled") continue;
    if (!(outcome.reason instanceof StoreFullError) && !isFull(outcome.reason)) throw outcome.reason;
    room = false;
  }
  return room;
}

function row(pack: OpenPackRef, state: PackState, { size, frames }: Pick<SealedPack, "size" | "frames">, since: Time): Pack {
  return { id: pack.id, key: pack.key, state, size, live: 0, frames, since };
}
