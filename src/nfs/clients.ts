import type { Clock } from "#base/clock.ts";
import { Time } from "#base/time.ts";
import type { Connection } from "#net/index.ts";
import type { Client } from "./client.ts";

/** A connection of a client, for people to read. */
export interface NfsClient {
  /** Its own as long as the server runs. */
  readonly id: number;
  readonly address: string;
  readonly port: number;
  readonly connectedAt: Time;
  /** Who it last claimed to be; null: it claims nothing. */
  readonly user: string | null;
  /** Names of shares it used, the first first. */
  readonly shares: readonly string[];
  /** When it last sent something; null: it never sent a call. */
  readonly lastCallAt: Time | null;
  readonly calls: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export function describeClient(connection: Connection<Client>, clock: Clock): NfsClient {
  const { id, address, port, openedAt, messagesIn, bytesIn, bytesOut } = connection;
  return {
    id,
    address,
    port,
    connectedAt: openedAt,
    user: connection.context?.claimed() ?? null,
    shares: connection.context?.sharesUsed() ?? [],
    lastCallAt: messagesIn === 0 ? null : before(clock.now(), clock.monotonicMs() - connection.heardMs),
    calls: messagesIn,
    bytesIn,
    bytesOut,
  };
}

function before(now: Time, ms: number): Time {
  const at = now.sec * 1000 + Math.floor(now.nsec / 1e6) - Math.round(ms);
  const sec = Math.floor(at / 1000);
  return new Time(sec, (at - sec * 1000) * 1e6);
}
