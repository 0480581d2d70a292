import type { Lease } from "#vfs/opens/index.ts";
import { closeOpen } from "../open/closing.ts";
import type { Open } from "../open/open.ts";
import type { SmbServer } from "../server.ts";
import { outlives } from "./durable.ts";
import { openFields } from "../open/log-fields.ts";

/** Opens that wait for their clients, of all clients together; for one more the oldest goes. */
const detachedMax = 16_384;

/** A CREATE that may be sent again is under way. */
export const underWay = "under way";

/**
 * The opens that outlive their connections (MS-SMB2 3.3.7.1), those that a CREATE sent again means, and those of application
 * instances. An open whose client is gone is in no session: it waits here until the client comes back to it, its time is over, or
 * somebody wants the file.
 */
export class Durables {
  private readonly server: SmbServer;
  /** By the half of their ids that stays; the oldest first. */
  private readonly detached = new Map<string, Open>();
  private readonly creates = new Map<string, Open | typeof underWay>();
  private readonly instances = new Map<string, Set<Open>>();

  constructor(server: SmbServer) {
    this.server = server;
  }

  /** Opens that wait for their clients. */
  get waiting(): number {
    return this.detached.size;
  }

  /** The client of an open is gone. True: it waits for it from now on; false: it is to be closed. */
  detach(open: Open): boolean {
    if (!outlives(open)) return false;
    const durable = open.durable!;
    const { server } = this;
    server.opens.remove(open);
    if (this.detached.size >= detachedMax) this.makeRoom();
    this.detached.set(open.persistentId, open);
    durable.timer = server.clock.after(durable.timeoutMs, () => this.end(open));
    const lease = open.file!.lease;
    // Another session of its client may answer the break it is in; or nobody.
    if (lease !== null && lease.breaking && !lease.holder.broken(lease, lease.state, lease.target, true)) lease.drop();
    return true;
  }

  /** The open of this id that waits for its client. */
  find(persistentId: string): Open | null {
    return this.detached.get(persistentId) ?? null;
  }

  isDetached(open: Open): boolean {
    return this.detached.size > 0 && this.detached.get(open.persistentId) === open;
  }

  /** Its client is back, or it is closed. */
  retake(open: Open): void {
    open.durable?.timer?.cancel();
    if (this.isDetached(open)) this.detached.delete(open.persistentId);
  }

  /** It is closed: nobody comes back to it. */
  forget(open: Open): void {
    this.purge(open);
    this.retake(open);
    if (open.instance === null) return;
    const same = this.instances.get(open.instance.id);
    same?.delete(open);
    if (same?.size === 0) this.instances.delete(open.instance.id);
  }

  /** What became of the CREATE of this client and GUID; where there was none, one is under way from now on. */
  begin(key: string): Open | typeof underWay | null {
    const known = this.creates.get(key);
    if (known === undefined) this.creates.set(key, underWay);
    return known ?? null;
  }

  /** What the CREATE came to; null: it failed. */
  done(key: string, open: Open | null): void {
    if (open === null) {
      this.creates.delete(key);
      return;
    }
    open.createKey = key;
    this.creates.set(key, open);
  }

  /** The client uses the open: it has the answer to its CREATE, and does not send it again. */
  purge(open: Open): void {
    if (open.createKey === null) return;
    this.creates.delete(open.createKey);
    open.createKey = null;
  }

  /** Keeps in mind the application instance an open belongs to. */
  join(open: Open): void {
    const { instance } = open;
    if (instance === null) return;
    const same = this.instances.get(instance.id) ?? new Set<Open>();
    same.add(open);
    this.instances.set(instance.id, same);
  }

  /** Opens of an application instance. */
  of(instance: string): readonly Open[] {
    return [...(this.instances.get(instance) ?? [])];
  }

  /**
   * The client of `opens`, which share a lease or are the one of an oplock, can't be told that it breaks (MS-SMB2 3.3.4.6, 3.3.4.7), and
   * can't agree: it loses those of its opens that wait for it. Of a persistent open it is told once it is back, and until then whoever
   * wants the file waits for it as for any client; a resilient one stays, and caches nothing. False: nobody is waited for.
   */
  waitFor(opens: Iterable<Open>, lease: Lease): boolean {
    const waiting = [...opens].filter((open) => this.isDetached(open));
    if (waiting.length === 0) return false;
    if (waiting.some((open) => open.durable?.persistent === true)) return true;
    const stays = waiting.some((open) => open.durable!.resilient);
    const asked = lease.breaking;
    // Not in the midst of the look at the file that breaks it.
    this.server.clock.atTurnEnd(() => {
      for (const open of waiting) if (!open.durable!.resilient && (stays ? asked : lease.breaking) && this.isDetached(open)) this.end(open);
    });
    return !stays;
  }

  /** Closes every open that waits and is said to be wanted no longer. */
  endAll(unwanted: (open: Open) => boolean): void {
    for (const open of [...this.detached.values()]) if (unwanted(open)) this.end(open);
  }

  private end(open: Open): void {
    void this.close(open);
  }

  private async close(open: Open): Promise<void> {
    const { fs } = open.tree;
    // Its name may go with it: who closes the share waits for that as for a request.
    fs?.enter();
    try {
      await closeOpen(this.server, open);
    } catch (error) {
      this.server.logger.error({ error, ...openFields(open) }, "a file could not be closed whose client did not come back to it");
    } finally {
      fs?.leave();
    }
  }

  private makeRoom(): void {
    let victim: Open | null = null;
    for (const open of this.detached.values()) {
      victim ??= open;
      if (open.durable?.persistent === true) continue;
      victim = open;
      break;
    }
    this.server.logger.warn({ ...openFields(victim!) }, `an open file was closed before its client could come back to it: ${detachedMax} wait for their clients, which is the most there may be`);
    this.end(victim!);
  }
}
