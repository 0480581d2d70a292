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

/** Who said to have mounted something, and when that client last ended a connection, or began what is listed. */
export interface SeenMount extends Mount {
  readonly seenAt: Time;
}

/** Who said to have mounted what: advisory (RFC 1813 appendix I), forgotten at a restart, bounded by dropping the oldest. */
export class MountList {
  private readonly max: number;
  private readonly clock: Clock;
  private readonly mounts = new Map<string, Mount>();
  /** Of hosts with mounts: when a connection of theirs last ended. */
  private readonly leftAt = new Map<string, Time>();

  constructor(max: number, clock: Clock) {
    this.max = max;
    this.clock = clock;
  }

  add(host: string, path: string, share: string): void {
    const key = `${host}\0${path}`;
    this.mounts.delete(key);
    this.leftAt.set(host, this.clock.now());
    this.mounts.set(key, { host, path, share, mountedAt: this.clock.now() });
    if (this.mounts.size <= this.max) return;
    for (const [oldest, mount] of this.mounts) {
      this.mounts.delete(oldest);
      this.forget(mount.host);
      return;
    }
  }

  /** A connection of this client ended: a client may be idle for long, and is in use still, but not for ever. */
  left(host: string): void {
    if (this.leftAt.has(host)) this.leftAt.set(host, this.clock.now());
  }

  remove(host: string, path: string): void {
    this.mounts.delete(`${host}\0${path}`);
    this.forget(host);
  }

  removeAll(host: string): void {
    for (const [key, mount] of this.mounts) if (mount.host === host) this.mounts.delete(key);
    this.leftAt.delete(host);
  }

  list(): Iterable<Mount> {
    return this.mounts.values();
  }

  seen(): readonly SeenMount[] {
    return [...this.mounts.values()].map((mount) => ({ ...mount, seenAt: this.leftAt.get(mount.host) ?? mount.mountedAt }));
  }

  private forget(host: string): void {
    for (const mount of this.mounts.values()) if (mount.host === host) return;
    this.leftAt.delete(host);
  }
}
