import fs from "node:fs";
import type { Clock } from "#base/clock.ts";
import type { Time } from "#base/time.ts";
import type { Change, Pack } from "#model/change-set.ts";
import { PackState } from "#model/change-set.ts";
import { type BlockStore, StoreFullError, StoreRefusedError } from "#model/block-store.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { FileTable } from "./file-table.ts";
import { uploaded } from "./followed.ts";
import { isFull } from "./log/file-ops.ts";
import type { OpenPackRef, PackTable } from "./pack-table.ts";
import { otherPackKey, type SealedPack } from "./packs/index.ts";
import { isPassing, type StoreHealth } from "./store-health.ts";

/** Packs on their way past which none is put ahead of its flush: enough for a store to have work, few enough to be given up with. */
const underWayMax = 16;

/** Takes pack files into the block store: a row that bars collection, the object, then the row that extents may refer to. */
export class PackUploads {
  private readonly files: FileTable;
  private readonly packs: PackTable;
  private readonly metadata: MetadataStore;
  private readonly blocks: BlockStore;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly health: StoreHealth;
  /** Packs on their way into the store: whoever wants one there joins. */
  /** Packs this put into the block store, and their bytes. */
  stored = 0;
  storedBytes = 0;
  private readonly underWay = new Map<OpenPackRef, Promise<boolean>>();

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
    if (!(await this.inStore(packs))) return false;
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

  /** Begins to put a pack that takes no more payload and that a flush will ask for: what came of it is the flush's, which puts anew what failed. */
  async ahead(pack: OpenPackRef): Promise<boolean> {
    pack.holders++;
    try {
      return await this.inStore([pack]);
    } catch {
      return false;
    } finally {
      pack.holders--;
    }
  }

  /** Whether more may be put ahead of a flush. */
  get hasRoomAhead(): boolean {
    return this.underWay.size < underWayMax;
  }

  /** Resolves when nothing is on its way. */
  async idle(): Promise<void> {
    while (this.underWay.size > 0) await Promise.allSettled(this.underWay.values());
  }

  /** Resolves when the packs are objects, each put once; false when there is no room. */
  private async inStore(packs: readonly OpenPackRef[]): Promise<boolean> {
    const waits = new Set<Promise<boolean>>();
    const fresh: OpenPackRef[] = [];
    for (const pack of packs) {
      if (pack.stored !== null) continue;
      const joined = this.underWay.get(pack);
      if (joined === undefined) fresh.push(pack);
      else waits.add(joined);
    }
    if (fresh.length > 0) {
      const begun = this.barAndPut(fresh).finally(() => {
        for (const pack of fresh) this.underWay.delete(pack);
      });
      for (const pack of fresh) this.underWay.set(pack, begun);
      waits.add(begun);
    }
    const outcomes = await Promise.allSettled(waits);
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
    return outcomes.every((outcome) => outcome.status === "fulfilled" && outcome.value);
  }

  private async barAndPut(fresh: readonly OpenPackRef[]): Promise<boolean> {
    if (!(await succeeded(fresh.map((pack) => sealed(pack))))) return false;
    const now = this.clock.now();
    // With its frames: where the process ends before the row is live, a start needs nothing of the object to go on with it.
    const pending = await Promise.all(fresh.map(async (pack): Promise<Change> => ({ do: "putPack", pack: row(pack, PackState.pending, await sealed(pack), now) })));
    const barred = await this.metadata.apply({ conditions: [], changes: pending });
    return barred.applied && (await this.putAll(fresh));
  }

  /** Puts them all at once, and notes what that says of the store. */
  private async putAll(packs: readonly OpenPackRef[]): Promise<boolean> {
    const puts = packs.map(async (pack) => uploaded(pack, () => this.put(pack)));
    const outcomes = await Promise.allSettled(puts);
    const failed = outcomes.find((outcome) => outcome.status === "rejected")?.reason;
    if (failed === undefined) this.health.worked("write");
    else if (isPassing(failed) || failed instanceof StoreFullError) this.health.failed("write", failed);
    return succeeded(puts);
  }

  private async put(pack: OpenPackRef): Promise<void> {
    const file = pack.file as NonNullable<OpenPackRef["file"]>;
    const whole = await sealed(pack);
    const source = { from: "file", path: file.path, size: whole.objectBytes } as const;
    try {
      await this.blocks.put(pack.key, source);
    } catch (error) {
      if (error instanceof StoreFullError || error instanceof StoreRefusedError || isFull(error)) throw error;
      const there = await this.whatIsThere(pack, whole);
      if (there === "nothing") throw isPassing(error) ? error : await blamed(error, file.path);
      if (there === "ours") this.logger.warn({ error, pack: pack.id }, "the block store failed to put an object, and has it");
      else {
        await this.takeOtherKey(pack, whole, error);
        await this.blocks.put(pack.key, source);
      }
    }
    this.stored++;
    this.storedBytes += whole.objectBytes;
    pack.stored = { key: pack.key, size: whole.size, frames: whole.frames };
    pack.file = null;
    this.files.unfile(pack);
    await file.close();
  }

  /**
   * An answer may have been lost: the object is there, whole, and will be refused for ever after. Or the key is that of an object
   * of which the metadata doesn't know, as where a backup of it was put back. Not known: it is put again.
   */
  private async whatIsThere(pack: OpenPackRef, { size, frames }: SealedPack): Promise<"ours" | "other" | "nothing"> {
    try {
      if ((await this.blocks.size(pack.key)) === null) return "nothing";
      const found = await this.packs.fromObject(pack.id, pack.key);
      return found !== null && found.size === size && Buffer.compare(found.frames, frames) === 0 ? "ours" : "other";
    } catch {
      return "nothing";
    }
  }

  /** A key that nobody has, in its row before there is an object. */
  private async takeOtherKey(pack: OpenPackRef, whole: SealedPack, error: unknown): Promise<void> {
    this.logger.warn({ error, pack: pack.id, key: pack.key }, "the block store has another object under a new pack's key, as after an older state of the metadata was put back; the pack gets another key");
    pack.key = otherPackKey(this.metadata.identity.instance, pack.id, this.metadata.draw());
    const barred = await this.metadata.apply({ conditions: [], changes: [{ do: "putPack", pack: row(pack, PackState.pending, whole, this.clock.now()) }] });
    if (!barred.applied) throw error;
  }
}

function sealed(pack: OpenPackRef): Promise<SealedPack> {
  return (pack.file as NonNullable<OpenPackRef["file"]>).seal();
}

/** Why a pack could not be put: where its own file can't be read that says so, with its path, as no store gets better of itself then. */
async function blamed(error: unknown, path: string): Promise<unknown> {
  try {
    for await (const _ of fs.createReadStream(path));
    return error;
  } catch (reason) {
    const why = reason instanceof Error ? reason.message : String(reason);
    return new Error(`the file ${path}, in which content waits to be stored, can't be read (${why}): until it can, nothing more of this share is stored or put into its history. See to that disk`, { cause: error });
  }
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
