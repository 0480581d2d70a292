import type { Clock, Timer } from "#base/clock.ts";
import type { FileOpens } from "./file-opens.ts";
import { breakOf, Cached, Cause } from "./caching.ts";

/** A client that does not answer loses what it was asked to give up (MS-SMB2 3.3.2.1). */
export const breakMs = 35_000;
/** No break is under way. */
const nothing = -1;

/** Who opens a file waits for breaks of others too, whatever they are for. */
const opening: ReadonlySet<Cause> = new Set([Cause.open, Cause.overwrite, Cause.sharing]);

/** Whoever was granted caching: told when it goes down. */
export interface LeaseHolder {
  /**
   * `acknowledged`: the client has to agree, by `Lease.acknowledge`; else it has lost it already. False: there is no client to tell, and
   * nothing to wait for.
   */
  broken(lease: Lease, from: number, to: number, acknowledged: boolean): boolean;
}

/** What became of the leases of a share: how many there are, and what breaks came to. */
export class LeaseCounts {
  leases = 0;
  oplocks = 0;
  /** Clients that were told to give up what they cache. */
  breaks = 0;
  /** Those of them that did not answer, and lost it. */
  unanswered = 0;
}

/** How the answer to a break was taken. */
export const Acknowledged = { done: "done", notBreaking: "notBreaking", tooMuch: "tooMuch" } as const;
export type Acknowledged = (typeof Acknowledged)[keyof typeof Acknowledged];

/**
 * What one client may cache of a file: the lease of a key, which all its opens with that key share, or the oplock of one open.
 * `state` is what the client counts on. A break tells it to go down to `goal`; what others came to need meanwhile is `needed`, and
 * asked for once it has agreed to the first.
 */
export class Lease {
  readonly file: FileOpens;
  /** Of a lease; null: the oplock of one open. */
  readonly key: string | null;
  /** Another once the client is back of an open that outlived the server. */
  holder: LeaseHolder;
  state: number;
  /** Of a lease of version 2: rises with every change of its state. */
  epoch: number;
  /** Opens that share it. */
  opens = 0;
  private goal = nothing;
  private needed = nothing;
  private timer: Timer | null = null;
  private readonly clock: Clock;
  private readonly counts: LeaseCounts;

  constructor(file: FileOpens, key: string | null, holder: LeaseHolder, state: number, epoch: number, clock: Clock, counts: LeaseCounts) {
    this.file = file;
    this.key = key;
    this.holder = holder;
    this.state = state;
    this.epoch = epoch;
    this.clock = clock;
    this.counts = counts;
    counts[key === null ? "oplocks" : "leases"]++;
  }

  get breaking(): boolean {
    return this.goal !== nothing;
  }

  /** What the client was told to go down to; its state where no break is under way. */
  get target(): number {
    return this.breaking ? this.goal : this.state;
  }

  /** Has the client give up what `cause` takes; whether that has to be waited for. */
  breakFor(cause: Cause, retried: boolean): boolean {
    const { to, waits } = breakOf(cause, this.state, this.key === null);
    if (to === this.state) return this.breaking && opening.has(cause);
    const wasBreaking = this.breaking;
    this.breakTo(to);
    return this.breaking && (waits || (wasBreaking && retried));
  }

  /** The client agrees to `state`. */
  acknowledge(state: number): Acknowledged {
    if (!this.breaking) return Acknowledged.notBreaking;
    if ((state & ~this.goal) !== 0) return Acknowledged.tooMuch;
    this.timer?.cancel();
    this.state = state;
    const left = state & ~this.needed;
    const { needed } = this;
    this.goal = this.needed = nothing;
    if (left !== 0) this.breakFurther(needed);
    this.file.changed();
    return Acknowledged.done;
  }

  /** Nobody can be asked any more: the opens are gone, or the client did not answer. */
  drop(): void {
    this.timer?.cancel();
    this.goal = this.needed = nothing;
    this.state = Cached.none;
    this.file.changed();
  }

  /** Takes the state it was upgraded to. */
  upgrade(state: number): void {
    this.state = state;
    this.epoch = (this.epoch + 1) & 0xffff;
  }

  private unanswered(): void {
    this.counts.unanswered++;
    this.drop();
  }

  private breakTo(to: number): void {
    if (this.breaking) {
      this.needed &= to;
      return;
    }
    this.epoch = (this.epoch + 1) & 0xffff;
    this.tell(to);
  }

  /** More was asked for while the client made up its mind: handle and write caching go first, what was read last. */
  private breakFurther(needed: number): void {
    const { state } = this;
    const keptRead = (state & (Cached.handle | Cached.write)) === 0 ? 0 : state & Cached.read;
    const to = needed | keptRead;
    this.tell(to === state ? needed : to);
    if (this.breaking) this.needed = needed;
  }

  /** Bytes that were only read are forgotten without a word; anything else has to be agreed to. */
  private tell(to: number): void {
    const from = this.state;
    const acknowledged = from !== Cached.read;
    if (acknowledged) {
      this.goal = this.needed = to;
      this.timer = this.clock.after(breakMs, () => this.unanswered());
    } else this.state = to;
    if (this.holder.broken(this, from, to, acknowledged)) this.counts.breaks++;
    else if (this.breaking) this.drop();
  }
}
