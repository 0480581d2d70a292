import type { Clock } from "#base/clock.ts";
import { type Connection, recordMarking, type StreamLimits, streamLimitDefaults, StreamServer, type StreamStats } from "#net/index.ts";
import type { Logger } from "#telemetry/logger.ts";
import { Absence } from "#vfs/absent-shares.ts";
import type { Shares } from "#vfs/file-system.ts";
import { mountProgram } from "#wire/mount3.ts";
import { nfsProgram } from "#wire/nfs3.ts";
import { Client } from "./client.ts";
import { describeClient, type NfsClient } from "./clients.ts";
import { DuplicateCache, type DuplicateLimits, duplicateLimitDefaults } from "./drc.ts";
import { mount3, MountList, type SeenMount } from "./mount/index.ts";
import { Dispatcher, type Program, type RpcStats, type WatchedBy } from "./rpc.ts";
import { nfs3 } from "./v3/index.ts";
import type { TransferSizes } from "./v3/reply.ts";

/** Bounds of rtmax and wtmax, and what they are unless told. */
export const transferBytesMax = 16 * 2 ** 20;
export const transferBytesMin = 4096;
export const transferBytesDefault = 2 ** 20;
/** A record is at most a payload and this much of headers. */
const recordHeaderBytesMax = 64 * 1024;
const mountsMax = 1024;
/** Connections to where the adapter no longer listens have so long to get their answers. */
export const movedDrainMs = 10_000;

export interface NfsAdapterOptions {
  readonly shares: Shares;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly bind: string;
  /** 0: any free one. */
  readonly port: number;
  /** Most bytes of one READ and one WRITE (rtmax, wtmax). */
  readonly readMax?: number;
  readonly writeMax?: number;
  readonly limits?: Partial<Omit<StreamLimits, "messageBytesMax">>;
  readonly duplicates?: DuplicateLimits;
  readonly requests?: WatchedBy;
}

/** What can be changed while the adapter serves; absent: as it is. */
export interface NfsSettings {
  readonly bind?: string;
  readonly port?: number;
  readonly readMax?: number;
  readonly writeMax?: number;
  readonly connectionsMax?: number;
}

export interface NfsStats {
  readonly net: Readonly<StreamStats>;
  readonly rpc: Readonly<RpcStats>;
  readonly duplicates: { readonly entries: number; readonly bytes: number; readonly hits: number; readonly joined: number };
}

export interface NfsAdapter {
  /** Starts to serve. Throws where the address can't be bound. */
  start(): Promise<{ readonly port: number }>;
  /** Takes no more requests, answers those it has and closes, at the latest after `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>;
  /**
   * Changes a started adapter, all or nothing: throws for a value out of range, and where it can't listen as asked. Gives the port it
   * listens on. After a move, connections to the old place get the answers they wait for and are closed; clients that find the new one go on as
   * after a restart, and a call repeated there is not done twice.
   */
  reconfigure(settings: NfsSettings): Promise<{ readonly port: number }>;
  stats(): NfsStats;
  /** The connections there are. */
  clients(): readonly NfsClient[];
  /** Closes a connection at once; false: there is none. What it asked is done all the same, and a client that connects again is served. */
  disconnect(id: number): boolean;
  /** Who said to have mounted what, of the shares there are. */
  mounts(): readonly SeenMount[];
}

/** NFS and MOUNT over TCP on one port: which of them a call is for, its program number says. */
export function createNfsAdapter(options: NfsAdapterOptions): NfsAdapter {
  return new Adapter(options);
}

class Adapter implements NfsAdapter {
  private readonly options: NfsAdapterOptions;
  private readonly sizes: TransferSizes;
  private readonly duplicates: DuplicateCache;
  private readonly mountList: MountList;
  private readonly dispatcher: Dispatcher;
  private readonly server: StreamServer<Client>;
  private bind: string;
  private port: number;
  private connectionsMax: number;

  constructor(options: NfsAdapterOptions) {
    const { shares, clock, logger, bind, port, readMax = transferBytesDefault, writeMax = transferBytesDefault } = options;
    this.options = options;
    this.sizes = { readMax, writeMax };
    this.bind = bind;
    this.port = port;
    this.connectionsMax = options.limits?.connectionsMax ?? streamLimitDefaults.connectionsMax;
    check(this.settings());
    this.duplicates = new DuplicateCache(clock, options.duplicates ?? duplicateLimitDefaults);
    this.mountList = new MountList(mountsMax, clock);
    const programs: readonly Program[] = [
      { number: nfsProgram, name: "nfs", versions: [nfs3({ shares, sizes: this.sizes })] },
      { number: mountProgram, name: "mountd", versions: [mount3({ shares, logger, clock, mounts: this.mountList })] },
    ];
    this.dispatcher = new Dispatcher(programs, this.duplicates, logger, options.requests);
    const { dispatcher, mountList } = this;
    this.server = new StreamServer<Client>({
      bind,
      port,
      framing: recordMarking,
      limits: this.limits(writeMax + recordHeaderBytesMax),
      clock,
      logger,
      handler: {
        message(connection, bytes, start, end, tail, tailBytes) {
          const client = (connection.context ??= new Client(connection, dispatcher.stats, logger));
          if (!dispatcher.dispatch(client, bytes, start, end, tail, tailBytes)) dropMalformed(connection, logger);
        },
        answersLeft() {
          dispatcher.answersLeft();
        },
        // A connection that never sent a call has no client, and once it is closed no address any more.
        closed({ context }) {
          if (context != null) mountList.left(context.address);
        },
      },
    });
  }

  async start(): Promise<{ readonly port: number }> {
    this.port = this.server.start();
    return { port: this.port };
  }

  stop(deadlineMs: number): Promise<void> {
    return this.server.stop(deadlineMs);
  }

  async reconfigure(changes: NfsSettings): Promise<{ readonly port: number }> {
    const settings = { ...this.settings(), ...changes };
    check(settings);
    if (!this.server.isAt(settings)) {
      this.port = this.server.move(settings, movedDrainMs);
      this.bind = settings.bind;
    }
    this.sizes.readMax = settings.readMax;
    this.sizes.writeMax = settings.writeMax;
    this.connectionsMax = settings.connectionsMax;
    // What clients were told that they may send they go on sending until they mount anew.
    this.server.setLimits(this.limits(Math.max(this.server.limits.messageBytesMax, settings.writeMax + recordHeaderBytesMax)));
    return { port: this.port };
  }

  stats(): NfsStats {
    const { duplicates } = this;
    return {
      net: this.server.stats,
      rpc: this.dispatcher.stats,
      duplicates: { entries: duplicates.size, bytes: duplicates.sizeBytes, hits: duplicates.hits, joined: duplicates.joined },
    };
  }

  clients(): readonly NfsClient[] {
    return this.server.list().map((connection) => describeClient(connection, this.options.clock));
  }

  disconnect(id: number): boolean {
    const connection = this.server.list().find((each) => each.id === id);
    if (connection === undefined) return false;
    this.options.logger.info({ client: connection.address, connection: id }, "closed a connection: an operator asked for it");
    connection.close();
    return true;
  }

  mounts(): readonly SeenMount[] {
    const { shares } = this.options;
    return this.mountList.seen().filter(({ share }) => shares.byName(share) !== undefined || shares.absent.byName(share)?.why === Absence.returning);
  }

  private settings(): Required<NfsSettings> {
    const { bind, port, connectionsMax } = this;
    return { bind, port, connectionsMax, readMax: this.sizes.readMax, writeMax: this.sizes.writeMax };
  }

  private limits(messageBytesMax: number): StreamLimits {
    const totalKeptBytesMax = Math.max(streamLimitDefaults.totalKeptBytesMax, writersAtOnce * messageBytesMax);
    return { ...streamLimitDefaults, totalKeptBytesMax, ...this.options.limits, connectionsMax: this.connectionsMax, messageBytesMax };
  }
}

/** Clients in the middle of their largest WRITEs at once, before memory for messages begun is short. */
const writersAtOnce = 16;

function check({ port, readMax, writeMax, connectionsMax }: Required<NfsSettings>): void {
  for (const size of [readMax, writeMax]) {
    if (!Number.isInteger(size) || size < transferBytesMin || size > transferBytesMax) {
      throw new RangeError(`a transfer size must be an integer in ${transferBytesMin}..${transferBytesMax}, not ${size}`);
    }
  }
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new RangeError(`a port must be an integer in 0..65535, not ${port}`);
  if (!Number.isInteger(connectionsMax) || connectionsMax < 1) throw new RangeError(`the most connections must be an integer above 0, not ${connectionsMax}`);
}

function dropMalformed(connection: Connection<Client>, logger: Logger): void {
  logger.info({ client: connection.address, connection: connection.id }, "closed a connection: it sent a record that is no RPC call");
  connection.close();
}
