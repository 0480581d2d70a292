import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import type { KnownUser } from "#model/identity.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { Shares } from "#vfs/file-system.ts";

/** Somebody who can log in by NTLM. */
export interface Account {
  readonly user: KnownUser;
  /** 16 bytes. */
  readonly ntHash: Uint8Array;
}

/** What every connection shares. */
export interface SmbServer {
  readonly shares: Shares;
  /** The account of this name, upper or lower case; null where there is none that may log in. */
  readonly account: (name: string) => Account | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** 16 bytes, of this server for as long as it runs. */
  readonly guid: Uint8Array;
  readonly name: string;
  readonly signingRequired: boolean;
  /** Most bytes of a READ, a WRITE and any other answer. */
  readonly transferBytesMax: number;
  /** Requests of all connections that wait for other clients, and what is kept of them. */
  readonly pending: { count: number; bytes: number };
  nextSessionId(): number;
}
