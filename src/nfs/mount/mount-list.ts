export interface Mount {
  readonly host: string;
  readonly path: string;
}

/** Who said to have mounted what: for people to read, forgotten at a restart, bounded by dropping the oldest. */
export class MountList {
  private readonly max: number;
  private readonly mounts = new Map<string, Mount>();

  constructor(max: number) {
    this.max = max;
  }

  add(host: string, path: string): void {
    const key = `${host}\0${path}`;
    this.mounts.delete(key);
    this.mounts.set(key, { host, path });
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
