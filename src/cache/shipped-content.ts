import type { Maybe } from "#base/brand.ts";
import type { HeldPacks, ShippedContent } from "#model/history.ts";
import type { PackId } from "#model/ids.ts";
import type { FileTable } from "./file-table.ts";
import type { Flusher } from "./flusher.ts";
import type { WriteAheadLog } from "./log/index.ts";
import type { OpenPackRef, PackTable } from "./pack-table.ts";

/** Content, as the share's history asks of it. */
export class Shipped implements ShippedContent {
  private readonly files: FileTable;
  private readonly packs: PackTable;
  private readonly flusher: Flusher;
  private readonly log: WriteAheadLog;
  private readonly letIn: () => void;
  readonly reached: number;
  /** The log is closed, and whatever it had is on stable storage. */
  closed = false;

  constructor(files: FileTable, packs: PackTable, flusher: Flusher, log: WriteAheadLog, reached: number, letIn: () => void) {
    this.files = files;
    this.packs = packs;
    this.flusher = flusher;
    this.log = log;
    this.reached = reached;
    this.letIn = letIn;
  }

  oldestNeeded(): number {
    const oldest = this.files.oldestSequence();
    return oldest === Number.POSITIVE_INFINITY ? this.log.sequence + 1 : oldest;
  }

  logged(): Maybe<void> {
    return this.closed ? undefined : this.log.durable(this.log.sequence);
  }

  async safe(): Promise<void> {
    const waits: Maybe<void>[] = [this.logged()];
    for (const { file } of this.packs.open.values()) if (file !== null && !this.closed) waits.push(file.durable(file.size));
    await Promise.all(waits);
  }

  /** A pack that is not there any more is one whose every record the metadata covers by now, or nobody needs. */
  hold(ids: Iterable<PackId>): HeldPacks {
    const held: OpenPackRef[] = [];
    for (const id of ids) {
      const pack = this.packs.open.get(id);
      if (pack === undefined) continue;
      pack.holders++;
      held.push(pack);
    }
    this.flusher.finish(held);
    let released = false;
    return {
      store: () => (held.length === 0 ? Promise.resolve(true) : this.flusher.storeRepacked(held)),
      release: () => {
        if (released) return;
        released = true;
        for (const pack of held) pack.holders--;
        if (held.length > 0 && !this.closed) this.flusher.releaseLog();
      },
    };
  }

  shipped(): void {
    if (!this.closed) this.letIn();
  }
}
