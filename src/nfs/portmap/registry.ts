/** The transports a service can be registered for, by their netid (RFC 5665 §5.1). */
export const Netid = { tcp: "tcp", udp: "udp" } as const;
export type Netid = (typeof Netid)[keyof typeof Netid];

export interface Registration {
  readonly program: number;
  readonly version: number;
  readonly netid: Netid;
  /** "" : whatever address of this machine the asker reached. */
  readonly host: string;
  readonly port: number;
  readonly owner: string;
  /** Registered by this server: nobody may take it away. */
  readonly own: boolean;
}

/** Registrations are few and their listing must fit a datagram. */
const registrationsMax = 128;

/** Which service listens where. */
export class Registry {
  private readonly entries: Registration[] = [];

  list(): readonly Registration[] {
    return this.entries;
  }

  /** False where the service is registered already, or there is no room. */
  set(entry: Registration): boolean {
    if (this.exact(entry.program, entry.version, entry.netid) !== null || this.entries.length >= registrationsMax) return false;
    this.entries.push(entry);
    return true;
  }

  /** Takes away a version's registrations, of one transport or (null) of all; false where there was none to take. */
  unset(program: number, version: number, netid: Netid | null): boolean {
    let found = false;
    for (let i = this.entries.length - 1; i >= 0; i--) {
      const entry = this.entries[i]!;
      if (entry.program !== program || entry.version !== version || entry.own) continue;
      if (netid !== null && entry.netid !== netid) continue;
      this.entries.splice(i, 1);
      found = true;
    }
    return found;
  }

  exact(program: number, version: number, netid: Netid): Registration | null {
    return this.entries.find((e) => e.program === program && e.version === version && e.netid === netid) ?? null;
  }

  /** The version asked for, or any other of the program: the client then learns from the service which there are. */
  find(program: number, version: number, netid: Netid): Registration | null {
    return this.exact(program, version, netid) ?? this.entries.find((e) => e.program === program && e.netid === netid) ?? null;
  }
}
