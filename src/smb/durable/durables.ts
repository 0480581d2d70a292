import { Cached } from "#vfs/opens/index.ts";
import { closeOpen } from "../open/closing.ts";
import type { Open } from "../open/open.ts";
import type { SmbServer } from "../server.ts";

/** Opens that wait for their clients, of all clients together; the oldest goes for one more. */
export const detachedMax = 16_384;

/** A CREATE is under way that may be sent again. */
const underWay = Symbol("under way");

/** What became of the CREATE of a client and GUID. */
export type Repeated = Open | typeof underWay | undefined;

/**
 * The opens that outlive their connections (MS-SMB2 3.3.7.1), those that a CREATE sent again means, and those of application
 * instances. An open without a client is in no session: it waits here until its client comes back to it, its time is over, or
 * somebody wants the file whose client kept its handle for itself.
 */
export class Durables {
  private readonly server: SmbServer;
  /** By the half of their ids that stays. The oldest first. */
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
    const { durable, file } = open;
    if (durable === null || file === null || file.closed || !mayWait(open)) return false;
    this.server.opens.remove(open);
    open.session = null;
    const key = persistentId(open);
    this.makeRoom();
    this.detached.set(key, open);
    durable.timer = this.server.clock.after(durable.timeoutMs, () => this.end(open));
    const { lease } = file;
    // Who waits for the client's answer has waited for nothing.
    if (lease !== null && lease.breaking && lease.opens === this.detachedOf(open)) lease.acknowledge(lease.target);
    return true;
  }

  /** The open of this id that waits for its client. */
  find(key: string): Open | null {
    return this.detached.get(key) ?? null;
  }

  /** Its client is back. */
  attach(open: Open): void {
    open.durable?.timer?.cancel();
    this.detached.delete(persistentId(open));
  }

  /** It is closed: nobody comes back to it. */
  forget(open: Open): void {
    this.purge(open);
    if (open.durable !== null) this.attach(open);
    if (open.instance === null) return;
    const same = this.instances.get(open.instance.id);
    same?.delete(open);
    if (same?.size === 0) this.instances.delete(open.instance.id);
  }

  /** What became of the CREATE of this client and GUID; where there was none, one is under way from now on. */
  begin(key: string): Repeated {
    const known = this.creates.get(key);
    if (known === undefined) this.creates.set(key, underWay);
    return known;
  }

  /** What the CREATE came to; null: it failed. */
  done(key: string, open: Open | null): void {
    if (open === null) this.creates.delete(key);
    else {
      open.createKey = key;
      this.creates.set(key, open);
    }
  }

  /** The client has used the open: it knows of it, and does not send its CREATE again. */
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

  /** Closes an open that waits. */
  end(open: Open): void {
    closeOpen(this.server, open).catch((error: unknown) =>
      this.server.logger.error({ error, path: open.path }, "a file whose client did not come back could not be closed"),
    );
  }

  /** Closes every open that waits, of the shares `gone` says so of. */
  endAll(gone: (open: Open) => boolean): void {
    for (const open of [...this.detached.values()]) if (gone(open)) this.end(open);
  }

  private makeRoom(): void {
    if (this.detached.size < detachedMax) return;
    let victim: Open | null = null;
    for (const open of this.detached.values()) {
      victim ??= open;
      if (open.durable?.persistent === true) continue;
      victim = open;
      break;
    }
    this.server.logger.warn({ path: victim!.path }, `a file whose client is gone is closed before its time: ${detachedMax} are kept for clients to come back to, no more`);
    this.end(victim!);
  }

  /** How many opens that wait share the lease of this one. */
  private detachedOf(open: Open): number {
    const lease = open.file!.lease;
    let count = 0;
    for (const other of open.file!.file.opens) if (other.lease === lease && this.isDetached(other)) count++;
    return count;
  }
}
