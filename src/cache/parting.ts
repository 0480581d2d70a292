import type { BlockStore } from "#model/block-store.ts";
import type { ShareHistory } from "#model/history.ts";
import type { Logger } from "#telemetry/logger.ts";

/**
 * Objects that go as soon as it is published that nothing refers to them: until then what is published may. Nobody waits for it, and an end
 * before leaves strays.
 */
export class Parting {
  private readonly history: ShareHistory;
  private readonly blocks: BlockStore;
  private readonly logger: Logger;
  private readonly keys = new Set<string>();
  private going = false;

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
    if (!this.going) void this.go();
  }

  private async go(): Promise<void> {
    this.going = true;
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
      this.going = false;
    }
  }
}
