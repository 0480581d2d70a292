import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import type { Accounts, LoginAttempts } from "#model/identity.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { RequestWatch } from "#telemetry/requests/index.ts";
import type { Call } from "./call.ts";
import type { LeaseClients } from "./lease/index.ts";
import type { Shares } from "#vfs/file-system.ts";
import type { Durables } from "./durable/index.ts";
import type { Opens } from "./open/opens.ts";
import type { Sessions } from "./session/sessions.ts";
import type { SmbSettings } from "./settings.ts";

/** Whoever watches requests, if anybody does now. */
export interface WatchedBy {
  readonly watch: RequestWatch<Call> | null;
}

/** Log-ins that came to an end since the start, and those of them that let nobody in. */
export interface LoginCounts {
  attempts: number;
  failures: number;
}

/** What every connection shares. */
export interface SmbServer {
  readonly requests: WatchedBy;
  readonly logins: LoginCounts;
  /** Where clients with leases are found. */
  readonly leaseClients: LeaseClients;
  readonly shares: Shares;
  /** Who can log in now; replaced whole. */
  readonly accounts: Accounts;
  readonly attempts: LoginAttempts;
  /** As connections that begin now have it; replaced whole. */
  readonly settings: SmbSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** 16 bytes, of this server for as long as it runs. */
  readonly guid: Uint8Array;
  readonly name: string;
  /** The address it listens at. */
  readonly bind: string;
  readonly signingRequired: boolean;
  /** Most bytes of what is neither a READ nor a WRITE, where the dialect has multi-credit requests. */
  readonly transferBytesMax: number;
  readonly sessions: Sessions;
  /** Every open file that a session has. */
  readonly opens: Opens;
  /** Open files that wait for their clients, and what else is known of opens beyond their sessions. */
  readonly durables: Durables;
  /** Requests of all connections that wait for other clients, and what is kept of them. */
  readonly pending: { count: number; bytes: number };
}
