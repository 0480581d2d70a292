import { hostname } from "node:os";
import type { SharePlan, StorePlan } from "#control/index.ts";
import { type Ended, endHistory, type Leaving, markLeaving, unmarkLeaving } from "#history/index.ts";
import type { BlockStore } from "#model/block-store.ts";
import { openBareBlocks } from "../stores/open-blocks.ts";
import type { OpenShare, Surroundings } from "../share/open-share.ts";
import { keepsHistory } from "../share/share-history.ts";

/**
 * The history of a share in the store that a move ends it in: said before anybody knows whether the share will have moved, ended once it has, and
 * taken back where it stayed.
 */
export class MovedHistory {
  private readonly share: OpenShare;
  private readonly around: Surroundings;
  /** Another part of the share is open on the store meanwhile. */
  private readonly beside: boolean;
  private readonly goesTo: StorePlan;
  private readonly names: Ended["names"];

  /** Null: the move ends no history. `blocks`: the content moves. */
  static of(share: OpenShare, to: SharePlan, blocks: boolean, around: Surroundings): MovedHistory | null {
    return keepsHistory(share.plan) && (blocks || !keepsHistory(to)) ? new MovedHistory(share, to, blocks, around) : null;
  }

  private constructor(share: OpenShare, { metadata, blocks }: SharePlan, blocksMove: boolean, around: Surroundings) {
    this.share = share;
    this.beside = !blocksMove;
    this.goesTo = blocksMove && metadata.type !== "memory" ? blocks : metadata;
    this.names = metadata.type === "memory" || metadata.type === "postgres" ? metadata.type : "other";
    this.around = around;
  }

  /** Should this server end between the move and what follows it, nobody recovers the share from there unawares. */
  async say(): Promise<void> {
    await this.inStore(true, (blocks) => markLeaving(blocks, this.share.instance, this.leaving), "that a share is being moved could not be noted in its block store; should the server be killed during the move, the history there looks as if the share had stayed");
  }

  /** The share stays where it is. Whoever opens it says so, too: it may not be opened again here. */
  async takeBack(): Promise<void> {
    await this.inStore(true, (blocks) => unmarkLeaving(blocks, this.share.instance), "that a share has stayed where it is could not be noted in its block store; until it is opened from there again, whoever recovers it has to say --accept-moved");
  }

  /** From a store that a share has left, or keeps no history in, it can't be recovered any more: that would be the share as it once was, beside the one that is served. */
  async end(): Promise<void> {
    const { instance, plan } = this.share;
    await this.inStore(this.beside, (blocks) => endHistory(blocks, instance, { ...this.leaving, share: plan.name, names: this.names }), "the history that a share had before it was moved could not be ended in its block store: delete the objects with these keys, so that nobody recovers the share from there", { keys: `${instance}/history/` });
  }

  private get leaving(): Leaving {
    const { kind, name, type, config } = this.goesTo;
    const place = config["bucket"] ?? config["path"] ?? config["host"];
    const words = type === "memory" ? "memory, which ends with that server" : `${type}${place === undefined ? "" : ` ${String(place)}`}`;
    const to = `${kind} store ${name} (${words})`;
    return { to, host: hostname(), at: this.around.clock.now() };
  }

  private async inStore(beside: boolean, work: (blocks: BlockStore) => Promise<void>, otherwise: string, more: object = {}): Promise<void> {
    const { plan, places } = this.share;
    const { logger } = this.around;
    try {
      const blocks = await openBareBlocks(plan, places, this.around, beside);
      await work(blocks).finally(() => blocks.close());
    } catch (error) {
      logger.warn({ share: plan.name, store: plan.blocks.name, error, ...more }, otherwise);
    }
  }
}
