import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import { directTcp, type StreamLimits, streamLimitDefaults, StreamServer } from "#net/index.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { Shares } from "#vfs/file-system.ts";
import { SmbConnection } from "./connection.ts";
import { dispatch } from "./dispatch.ts";
import type { Account, SmbServer } from "./server.ts";

/** Most bytes of a READ or WRITE. */
export const transferBytesDefault = 8 * 2 ** 20;
/** A message is at most a payload and this much of headers. */
const headersBytesMax = 64 * 1024;

export interface SmbAdapterOptions {
  readonly shares: Shares;
  /** The account of this name, upper or lower case; null where there is none that may log in. */
  readonly account: (name: string) => Account | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly bind: string;
  /** 0: any free one. */
  readonly port: number;
  /** The name clients see. */
  readonly name: string;
  readonly signingRequired: boolean;
  readonly limits?: Partial<Omit<StreamLimits, "messageBytesMax">>;
}

export interface SmbAdapter {
  /** Starts to serve. Throws where the address can't be bound. */
  start(): { readonly port: number };
  /** Takes no more requests, answers those it has and closes, at the latest after `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>;
  /** Requests that wait for other clients. */
  pending(): number;
}

/** SMB 2 and 3 over TCP. */
export function createSmbAdapter(options: SmbAdapterOptions): SmbAdapter {
  const { shares, account, clock, random, logger, name, signingRequired } = options;
  let sessionIds = 0;
  const server: SmbServer = {
    shares,
    account,
    clock,
    random,
    logger,
    guid: random.bytes(16),
    name,
    signingRequired,
    transferBytesMax: transferBytesDefault,
    pending: { count: 0, bytes: 0 },
    nextSessionId: () => ++sessionIds,
  };
  const stream = new StreamServer<SmbConnection>({
    bind: options.bind,
    port: options.port,
    framing: directTcp,
    limits: { ...streamLimitDefaults, ...options.limits, messageBytesMax: transferBytesDefault + headersBytesMax },
    clock,
    logger,
    handler: {
      message(transport, bytes, start, end, tail, tailBytes) {
        const connection = (transport.context ??= new SmbConnection(server, transport));
        if (!dispatch(connection, bytes, start, end, tail, tailBytes)) connection.close("it sent a message that is none of SMB2");
      },
      closed: (transport) => transport.context?.gone(),
    },
  });
  return {
    start: () => ({ port: stream.start() }),
    stop: (deadlineMs) => stream.stop(deadlineMs),
    pending: () => server.pending.count,
  };
}
