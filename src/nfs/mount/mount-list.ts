import type { Clock } from "#base/clock.ts";
import type { Time } from "#base/time.ts";

export interface Mount {
  /** The client's address. */
  readonly host: string;
  /** As the client gave it. */
  readonly path: string;
  /** Name of the share the path lies in. */
  readonly share: string;
  readonly mountedAt: Time;
}

/** Who said to have mounted what: for people to read, forgotten at a restart, bounded by dropping the oldest. */
export class MountList {
  private readonly max: number;
  private readonly clock: Clock;
  private readonly mounts = new Map<string, Mount>();

  constructor(max: number, clock: Clock) {
    this.max = max;
    this.clock = clock;
  }

  add(host: string, path: string, share: string): void {
    const key = `${host}\0${path}`;
    this.mounts.delete(key);
    this.mounts.set(key, { host, path, share, mountedAt: this.clock.now() });
    if (this.mounts.size <= this.max) return;
    for (const oldest of this.mounts.keys()) {
      this.mounts.delete(oldest);
      return;
    }
  }

  remove(host: string, path: string): void {
    this.mounts.delete(`${host}\0${path}`);
  }

  removeAll(host: string): void {
    for (const [key, mount] of this.mounts) if (mount.host === host) this.mounts.delete(key);
  }

  list(): Iterable<Mount> {
    return this.mounts.values();
  }
}
