import type { Clock } from "#base/clock.ts";
import type { BlockStore } from "#model/block-store.ts";
import type { ShareHistory } from "#model/history.ts";
import type { Logger } from "#telemetry/logger.ts";

/** How long whoever asked for a collection waits for its objects; where it takes longer, they go in their own time. */
const waitMs = 15_000;

/**
 * Objects that go as soon as it is published that nothing refers to them: until then what is published may. No client waits for it, and an end
 * before leaves strays.
 */
export class Parting {
  private readonly history: ShareHistory;
  private readonly blocks: BlockStore;
  private readonly logger: Logger;
  private readonly keys = new Set<string>();
  private going: Promise<void> | null = null;

  constructor(history: ShareHistory, blocks: BlockStore, logger: Logger) {
    this.history = history;
    this.blocks = blocks;
    this.logger = logger;
  }

  has(key: string): boolean {
    return this.keys.has(key);
  }

  /** What has no row any more. */
  add(key: string): void {
    this.keys.add(key);
    this.going ??= this.go();
  }

  /** Resolves when all are gone, or can't go just now. */
  async ended(clock: Clock): Promise<void> {
    if (this.going === null) return;
    const late = Promise.withResolvers<void>();
    const timer = clock.after(waitMs, () => late.resolve());
    await Promise.race([this.going, late.promise]);
    timer.cancel();
  }

  private async go(): Promise<void> {
    try {
      while (this.keys.size > 0) {
        const keys = [...this.keys];
        if (!(await this.history.passed())) return;
        await this.blocks.delete(keys);
        for (const key of keys) this.keys.delete(key);
      }
    } catch (error) {
      // What stays is a stray that a later listing finds.
      this.keys.clear();
      this.logger.warn({ error }, "objects nobody refers to could not be deleted; it will be tried again");
    } finally {
      this.going = null;
    }
  }
}
