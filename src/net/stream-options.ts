import type { Clock } from "#base/clock.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { Connection } from "./connection.ts";
import type { DirectReceive } from "#base/direct-receive.ts";
import type { Framing } from "./framing.ts";
import type { ListenAddress } from "./listening.ts";
import type { GatheredWrite } from "./gathered-write.ts";

export interface StreamLimits {
  /** Longest message; a header that promises more costs the connection. */
  readonly messageBytesMax: number;
  readonly connectionsMax: number;
  /** Requests of one connection that are not answered, and their bytes; past either it is not read. */
  readonly unfinishedMax: number;
  readonly unfinishedBytesMax: number;
  /** The same bytes over all connections; past it only those are read whose own stay within the guaranteed. */
  readonly totalUnfinishedBytesMax: number;
  readonly guaranteedUnfinishedBytes: number;
  /** Memory for messages begun or held back, over all connections; past it the one longest without progress is closed. */
  readonly totalKeptBytesMax: number;
  /** Replies a connection has not taken; past it, it is not read. */
  readonly unsentBytesMax: number;
  /** Replies with payloads that are held back until the requests received with theirs are answered; 0: each leaves at once. */
  readonly heldBytesMax: number;
  /** As `unsentBytesMax` over all connections; past it the one longest without progress is closed. */
  readonly totalUnsentBytesMax: number;
  /** A client that takes nothing of waiting replies for this long loses its connection. */
  readonly unsentStalledMs: number;
  /** So does one that sends nothing of a message begun for this long. */
  readonly messageStalledMs: number;
}

export const streamLimitDefaults: Omit<StreamLimits, "messageBytesMax"> = {
  connectionsMax: 16_384,
  unfinishedMax: 256,
  unfinishedBytesMax: 32 * 2 ** 20,
  totalUnfinishedBytesMax: 256 * 2 ** 20,
  guaranteedUnfinishedBytes: 16 * 1024,
  totalKeptBytesMax: 128 * 2 ** 20,
  unsentBytesMax: 4 * 2 ** 20,
  heldBytesMax: 0,
  totalUnsentBytesMax: 256 * 2 ** 20,
  unsentStalledMs: 60_000,
  messageStalledMs: 60_000,
};

/** Who gets the messages: `bytes[start..end)`, at least `headBytesMin` long or all of it, then `tail` of `tailBytes` bytes. */
export interface MessageHandler<C> {
  message(
    from: Connection<C>,
    bytes: Uint8Array,
    start: number,
    end: number,
    tail: readonly Uint8Array[],
    tailBytes: number,
  ): void;
  /** The messages that had come are handed on, and what was answered of them has left, or waits for the client. */
  answersLeft?(): void;
  /** The connection is gone; requests of it still go on, their answers go nowhere. */
  closed?(connection: Connection<C>): void;
}

export interface StreamServerOptions<C> extends ListenAddress {
  readonly framing: Framing;
  readonly limits: StreamLimits;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly handler: MessageHandler<C>;
  /** How several pieces are sent at once; null: one by one. What the platform has unless told. */
  readonly gather?: GatheredWrite | null;
  /** How large messages are received; null: as all others. What the platform has unless told. */
  readonly receiver?: DirectReceive | null;
  /** Collects garbage that is young. The engine's unless told. */
  readonly collect?: () => void;
}

/** Counters since the start, and `connections` open now. */
export interface StreamStats {
  connections: number;
  accepted: number;
  refused: number;
  evicted: number;
  /** Closed by this server before their clients did, for whatever reason but that they were lost. */
  forceClosed: number;
  stalled: number;
  malformed: number;
  pauses: number;
  messagesIn: number;
  messagesOut: number;
  bytesIn: number;
  bytesOut: number;
}
