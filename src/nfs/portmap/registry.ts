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
  private entries: readonly Registration[] = [];

  list(): readonly Registration[] {
    return this.entries;
  }

  /** This server's own registrations are these from now on; where another program took one of them, it loses it. */
  setOwn(own: readonly Registration[]): void {
    const taken = (each: Registration): boolean => own.some((o) => o.program === each.program && o.version === each.version && o.netid === each.netid);
    this.entries = [...own, ...this.entries.filter((each) => !each.own && !taken(each))];
  }

  /** False where the service is registered already, or there is no room. */
  set(entry: Registration): boolean {
    if (this.exact(entry.program, entry.version, entry.netid) !== null || this.entries.length >= registrationsMax) return false;
    this.entries = [...this.entries, entry];
    return true;
  }

  /** Takes away a version's registrations, of one transport or (null) of all; false where there was none to take. */
  unset(program: number, version: number, netid: Netid | null): boolean {
    const kept = this.entries.filter(
      (each) => each.own || each.program !== program || each.version !== version || (netid !== null && each.netid !== netid),
    );
    const found = kept.length < this.entries.length;
    this.entries = kept;
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
