import type { Clock } from "#base/clock.ts";
import { type Connection, recordMarking, type StreamLimits, streamLimitDefaults, StreamServer, type StreamStats } from "#net/index.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { Shares } from "#vfs/file-system.ts";
import { mountProgram } from "#wire/mount3.ts";
import { nfsProgram } from "#wire/nfs3.ts";
import { Client } from "./client.ts";
import { DuplicateCache, type DuplicateLimits, duplicateLimitDefaults } from "./drc.ts";
import { mount3, MountList } from "./mount/index.ts";
import { Dispatcher, type Program, type RpcStats } from "./rpc.ts";
import { nfs3 } from "./v3/index.ts";

/** Bounds of rtmax and wtmax, and what they are unless told. */
export const transferBytesMax = 16 * 2 ** 20;
export const transferBytesMin = 4096;
export const transferBytesDefault = 2 ** 20;
/** A record is at most a payload and this much of headers. */
const recordHeaderBytesMax = 64 * 1024;
const mountsMax = 1024;

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
  stats(): NfsStats;
}

/** NFS and MOUNT over TCP on one port: which of them a call is for, its program number says. */
export function createNfsAdapter(options: NfsAdapterOptions): NfsAdapter {
  const { shares, logger } = options;
  const readMax = options.readMax ?? transferBytesDefault;
  const writeMax = options.writeMax ?? transferBytesDefault;
  for (const size of [readMax, writeMax]) {
    if (!Number.isInteger(size) || size < transferBytesMin || size > transferBytesMax) {
      throw new RangeError(`a transfer size must be an integer in ${transferBytesMin}..${transferBytesMax}, not ${size}`);
    }
  }
  const duplicates = new DuplicateCache(options.clock, options.duplicates ?? duplicateLimitDefaults);
  const programs: readonly Program[] = [
    { number: nfsProgram, name: "nfs", versions: [nfs3({ shares, readMax, writeMax })] },
    { number: mountProgram, name: "mountd", versions: [mount3({ shares, logger, mounts: new MountList(mountsMax) })] },
  ];
  const dispatcher = new Dispatcher(programs, duplicates, logger);
  const server = new StreamServer<Client>({
    bind: options.bind,
    port: options.port,
    framing: recordMarking,
    limits: limitsFor(writeMax + recordHeaderBytesMax, options.limits),
    clock: options.clock,
    logger,
    handler: {
      message(connection, bytes, start, end, tail, tailBytes) {
        const client = (connection.context ??= new Client(connection));
        if (!dispatcher.dispatch(client, bytes, start, end, tail, tailBytes)) dropMalformed(connection, logger);
      },
    },
  });
  return {
    async start() {
      return { port: server.start() };
    },
    stop: (deadlineMs) => server.stop(deadlineMs),
    stats: () => ({
      net: server.stats,
      rpc: dispatcher.stats,
      duplicates: { entries: duplicates.size, bytes: duplicates.sizeBytes, hits: duplicates.hits, joined: duplicates.joined },
    }),
  };
}

/** Clients in the middle of their largest WRITEs at once, before memory for messages begun is short. */
const writersAtOnce = 16;

function limitsFor(messageBytesMax: number, given: NfsAdapterOptions["limits"]): StreamLimits {
  const totalKeptBytesMax = Math.max(streamLimitDefaults.totalKeptBytesMax, writersAtOnce * messageBytesMax);
  return { ...streamLimitDefaults, totalKeptBytesMax, ...given, messageBytesMax };
}

function dropMalformed(connection: Connection<Client>, logger: Logger): void {
  logger.info({ client: connection.address }, "closed a connection: it sent a record that is no RPC call");
  connection.close();
}
