import type { Clock } from "#base/clock.ts";
import { Time } from "#base/time.ts";
import type { Connection } from "#net/index.ts";
import type { SmbConnection } from "./connection.ts";

/** A connection of a client, for people to read. */
export interface SmbClient {
  /** Its own as long as the server runs. */
  readonly id: number;
  readonly address: string;
  readonly connectedAt: Time;
  readonly lastCallAt: Time;
  /** Whoever logged in; null: nobody did. */
  readonly user: string | null;
  /** Names of the shares its sessions are connected to. */
  readonly shares: readonly string[];
  readonly requests: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** A session's connection to a share, for people to read. */
export interface SmbMount {
  readonly address: string;
  readonly user: string;
  readonly share: string;
  readonly mountedAt: Time;
  readonly seenAt: Time;
}

export function describeClient(transport: Connection<SmbConnection>, clock: Clock): SmbClient {
  const { id, address, openedAt, messagesIn, bytesIn, bytesOut, context } = transport;
  const shares = new Set(context === null ? [] : treesOf(context).map(({ share }) => share));
  const users = new Set(context === null ? [] : [...context.channels.values()].flatMap(({ session }) => (session.user === null ? [] : [session.user.name])));
  const user = users.size === 0 ? null : [...users].join(", ");
  return { id, address, user, connectedAt: openedAt, lastCallAt: heardAt(transport, clock), shares: [...shares], requests: messagesIn, bytesIn, bytesOut };
}

export function describeMounts(transport: Connection<SmbConnection>, clock: Clock): readonly SmbMount[] {
  const { address, context } = transport;
  if (context === null) return [];
  const seenAt = heardAt(transport, clock);
  return treesOf(context).map((tree) => ({ address, ...tree, seenAt }));
}

function treesOf(connection: SmbConnection): readonly { readonly user: string; readonly share: string; readonly mountedAt: Time }[] {
  return [...connection.channels.values()].flatMap(({ session }) =>
    [...session.trees.values()].flatMap(({ fs, connectedAt }) => (fs === null ? [] : [{ user: session.user?.name ?? "", share: fs.name, mountedAt: connectedAt }])),
  );
}

function heardAt(transport: Connection<SmbConnection>, clock: Clock): Time {
  if (transport.messagesIn === 0) return transport.openedAt;
  const now = clock.now();
  const at = now.sec * 1000 + Math.floor(now.nsec / 1e6) - Math.round(clock.monotonicMs() - transport.heardMs);
  const sec = Math.floor(at / 1000);
  return new Time(sec, (at - sec * 1000) * 1e6);
}
