import type { Clock } from "#base/clock.ts";
import type { AdapterPlan, AdapterState, ClientInfo, MountInfo } from "#control/index.ts";
import { createNfsAdapter, createPortmapper, type NfsAdapter, type NfsSettings, type NfsStats, type Portmapper, type RegisteredService } from "#nfs/index.ts";
import type { StreamStats } from "#net/index.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { Shares } from "#vfs/index.ts";
import { mountProgram } from "#wire/mount3.ts";
import { nfsProgram } from "#wire/nfs3.ts";
import { orSay } from "./listening.ts";
import type { Surroundings } from "../share/open-share.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";

/** The settings of an adapter's plan, under the names the control plane has for them. */
interface Wanted {
  readonly bind: string;
  readonly port: number;
  readonly readMax: number;
  readonly writeMax: number;
  readonly connectionsMax: number;
  readonly portmapper: { readonly enabled: boolean; readonly port: number };
}

/** Where the parts of NFS are heard. */
export interface NfsListening {
  readonly protocol: "nfs" | "portmapper";
  readonly address: string;
  readonly port: number;
}

/** A connection of a portmapper that goes away has so long to get its answer. */
const portmapperStopMs = 1000;

/** NFS with its portmapper, kept as its plan says: started, changed while it serves, stopped. */
export class NfsService {
  private readonly shares: Shares;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly telemetry: Telemetry;
  private readonly bounded: (connections: number) => number;
  private adapter: NfsAdapter | null = null;
  private portmapper: { readonly portmapper: Portmapper; readonly wanted: Wanted; readonly port: number } | null = null;
  /** What runs now, as it was asked for. */
  private running: Wanted | null = null;
  private port = 0;
  private error: string | null = null;

  /** `bounded`: how many connections may be held where so many are asked for. */
  constructor(shares: Shares, around: Pick<Surroundings, "clock" | "logger" | "telemetry">, bounded: (connections: number) => number) {
    this.shares = shares;
    this.clock = around.clock;
    this.logger = around.logger;
    this.telemetry = around.telemetry;
    this.bounded = bounded;
  }

  get state(): AdapterState {
    const { adapter, running } = this;
    if (adapter === null || running === null) return { running: false, error: this.error, address: null, port: null, connections: 0 };
    return { running: true, error: this.error, address: running.bind, port: this.port, connections: adapter.stats().net.connections };
  }

  /** What is kept of calls that clients may repeat; null: NFS is not served. */
  get duplicates(): NfsStats["duplicates"] | null {
    return this.adapter?.stats().duplicates ?? null;
  }

  get listening(): readonly NfsListening[] {
    if (this.running === null) return [];
    const nfs: NfsListening = { protocol: "nfs", address: this.running.bind, port: this.port };
    if (this.portmapper === null) return [nfs];
    return [nfs, { protocol: "portmapper", address: this.portmapper.wanted.bind, port: this.portmapper.port }];
  }

  /** Null: it is not served. */
  stats(): NfsStats | null {
    return this.adapter?.stats() ?? null;
  }

  /** Of the portmapper's connections; null: there is none. */
  portmapperStats(): Readonly<StreamStats> | null {
    return this.portmapper?.portmapper.stats() ?? null;
  }

  /** Brings NFS to its plan. Throws, with the reason for an operator, where that can't be: then what served goes on serving. */
  async follow(plan: AdapterPlan | undefined, stopMs: number): Promise<void> {
    try {
      if (plan === undefined || !plan.enabled) await this.stop(stopMs);
      else await this.run(wantedOf(plan));
      this.error = null;
    } catch (error) {
      this.error = (error as Error).message;
      throw error;
    }
  }

  /** Takes no more requests and answers those in hand. */
  async stop(deadlineMs: number): Promise<void> {
    const { adapter, portmapper } = this;
    this.adapter = null;
    this.running = null;
    this.portmapper = null;
    await portmapper?.portmapper.stop(Math.min(deadlineMs, portmapperStopMs));
    await adapter?.stop(deadlineMs);
  }

  clients(): readonly ClientInfo[] {
    return (this.adapter?.clients() ?? []).map((client) => {
      const connectedAt = millisecondsOf(client.connectedAt);
      return {
        id: clientId(client.id),
        protocol: "nfs",
        address: client.address,
        user: client.user,
        shares: client.shares,
        connectedAt,
        lastSeenAt: client.lastCallAt === null ? connectedAt : millisecondsOf(client.lastCallAt),
        requests: client.calls,
        bytesIn: client.bytesIn,
        bytesOut: client.bytesOut,
      };
    });
  }

  mounts(): readonly MountInfo[] {
    return (this.adapter?.mounts() ?? []).map((mount) => ({ client: mount.host, protocol: "nfs", share: mount.share, path: mount.path, mountedAt: millisecondsOf(mount.mountedAt), seenAt: millisecondsOf(mount.seenAt) }));
  }

  disconnect(id: string): boolean {
    const number = /^nfs-(\d{1,15})$/.exec(id)?.[1];
    return number !== undefined && this.adapter !== null && this.adapter.disconnect(Number(number));
  }

  private async run(wanted: Wanted): Promise<void> {
    const before = this.running;
    const connectionsMax = this.bounded(wanted.connectionsMax);
    if (connectionsMax < wanted.connectionsMax && before?.connectionsMax !== wanted.connectionsMax) {
      this.logger.warn({ connectionsMax, asked: wanted.connectionsMax }, "fewer connections than asked for: the limit of open files (ulimit -n) is too low");
    }
    const { bind, port, readMax, writeMax } = wanted;
    const what = `nfs can't listen on ${bind} port ${port}`;
    if (this.adapter === null) {
      const adapter = createNfsAdapter({ shares: this.shares, clock: this.clock, logger: this.logger.child({ part: "nfs" }), bind, port, readMax, writeMax, limits: { connectionsMax }, requests: this.telemetry.nfsRequests });
      this.port = (await orSay(what, () => adapter.start())).port;
      this.adapter = adapter;
    } else {
      // A port of 0 was a free one; asked for again it would be another.
      const moves = before === null || before.port !== port || before.bind !== bind;
      const settings: NfsSettings = { readMax, writeMax, connectionsMax, ...(moves ? { bind, port } : {}) };
      const { adapter } = this;
      this.port = (await orSay(what, () => adapter.reconfigure(settings))).port;
      if (moves) this.logger.info({ address: bind, port: this.port }, "nfs moved");
    }
    this.running = wanted;
    await this.runPortmapper(wanted);
  }

  private async runPortmapper(wanted: Wanted): Promise<void> {
    const before = this.portmapper;
    const { enabled, port } = wanted.portmapper;
    const stays = before !== null && enabled && before.wanted.portmapper.port === port && before.wanted.bind === wanted.bind;
    if (stays) return before.portmapper.serve(this.services());
    const moves = before !== null && enabled && before.wanted.portmapper.port !== port;
    // Another address with the same port may include the old one: that has to go first.
    if (before !== null && !moves) {
      this.portmapper = null;
      await before.portmapper.stop(portmapperStopMs);
    }
    if (!enabled) return;
    const portmapper = createPortmapper({ bind: wanted.bind, port, services: this.services(), clock: this.clock, logger: this.logger.child({ part: "portmapper" }) });
    const started = await orSay(`the portmapper can't listen on ${wanted.bind} port ${port}`, () => portmapper.start());
    this.portmapper = { portmapper, wanted, port: started.port };
    if (moves) await before.portmapper.stop(portmapperStopMs);
  }

  private services(): readonly RegisteredService[] {
    return [nfsProgram, mountProgram].map((program) => ({ program, versions: [3], netid: "tcp", port: this.port }));
  }
}

function clientId(id: number): string {
  return `nfs-${id}`;
}

function millisecondsOf({ sec, nsec }: { readonly sec: number; readonly nsec: number }): number {
  return sec * 1000 + Math.floor(nsec / 1e6);
}

function wantedOf({ port, settings }: AdapterPlan): Wanted {
  const text = (key: string): string => String(settings[key]);
  const number = (key: string): number => Number(settings[key]);
  return {
    bind: text("bind"),
    port,
    readMax: number("max_read_size"),
    writeMax: number("max_write_size"),
    connectionsMax: number("max_connections"),
    portmapper: { enabled: settings["portmapper_enabled"] === true, port: number("portmapper_port") },
  };
}
