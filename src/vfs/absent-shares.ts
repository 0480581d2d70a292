import type { Clock } from "#base/clock.ts";
import { fileHandleBytes } from "#model/file-handle.ts";
import type { FsError } from "#model/fs-error.ts";
import type { ShareIdentity } from "#model/metadata-store.ts";
import type { SharePolicy } from "./access/policy.ts";
import { io, jukebox } from "./errors.ts";

/** Why a share that is wanted is not served. */
export const Absence = {
  /** It is being moved or opened anew, or a store of it is away: this server has it back by itself. */
  returning: "returning",
  /** Somebody has to put something right. Then it is what it was, and its handles are good. */
  stopped: "stopped",
  /** Another server has it. What is here is served no more. */
  gone: "gone",
} as const;
export type Absence = (typeof Absence)[keyof typeof Absence];

export interface AbsentShare {
  readonly name: string;
  /** Who it is open to when it is served. */
  readonly policy: SharePolicy;
  readonly why: Absence;
  /** What its handles have in common. Empty: nobody has any. Null: it isn't known, so that any may be one of its. */
  readonly instance: Uint8Array | null;
  /** Known of a share that was served since the start. */
  readonly identity: ShareIdentity | null;
}

/** How long who asks for a share that is `returning` waits for it. Clients of MOUNT and SMB wait for twenty seconds at least. */
export const absentMsMax = 10_000;
/** Requests that wait for shares at a time; those beyond are answered at once. */
export const absentWaitersMax = 1_024;

const instanceAt = 4;

/** The shares that are wanted and not served: they exist, and who asks for one is told what holds of it. */
export class AbsentShares {
  private readonly named = new Map<string, AbsentShare>();
  private readonly waiters = new Set<() => void>();
  private ended = false;

  byName(name: string): AbsentShare | undefined {
    return this.named.get(name);
  }

  /** Those that are back in a moment. */
  get returning(): readonly AbsentShare[] {
    return [...this.named.values()].filter(({ why }) => why === Absence.returning);
  }

  list(): readonly AbsentShare[] {
    return [...this.named.values()];
  }

  put(share: AbsentShare): void {
    this.named.set(share.name, share);
    this.wake();
  }

  /** It is served again, or not wanted any more. */
  take(name: string): AbsentShare | undefined {
    const share = this.named.get(name);
    if (share === undefined) return undefined;
    this.named.delete(name);
    this.wake();
    return share;
  }

  /** What a handle of one of them is answered; null: none of them is known to have made it. */
  outcomeOf(handle: Uint8Array, offset: number): FsError | null {
    if (offset + fileHandleBytes > handle.length) return null;
    for (const { instance, why } of this.named.values()) if (instance !== null && isOf(instance, handle, offset)) return outcomes[why];
    return null;
  }

  /** Whether any handle may be one of theirs. */
  get anybodys(): boolean {
    for (const { instance, why } of this.named.values()) if (instance === null && why !== Absence.gone) return true;
    return false;
  }

  /** Resolves once `isReturning` is false, after `absentMsMax` at the latest; at once where too many wait. */
  async settled(clock: Clock, isReturning: () => boolean): Promise<void> {
    const untilMs = clock.monotonicMs() + absentMsMax;
    while (isReturning()) {
      const leftMs = untilMs - clock.monotonicMs();
      if (leftMs <= 0 || this.ended || this.waiters.size >= absentWaitersMax) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.waiters.add(resolve);
      const timer = clock.after(leftMs, resolve);
      await promise;
      timer.cancel();
      this.waiters.delete(resolve);
    }
  }

  get waiting(): number {
    return this.waiters.size;
  }

  /** Nobody waits any more: the server ends. */
  end(): void {
    this.ended = true;
    this.wake();
  }

  private wake(): void {
    for (const wake of this.waiters) wake();
  }
}

/** Its handles are good where it is served, so that they are not called stale: nobody is to forget them. */
const outcomes = { returning: jukebox, stopped: jukebox, gone: io } as const satisfies Record<Absence, FsError>;

function isOf(instance: Uint8Array, handle: Uint8Array, offset: number): boolean {
  if (instance.length === 0) return false;
  for (let i = 0; i < instance.length; i++) if (handle[offset + instanceAt + i] !== instance[i]) return false;
  return true;
}
