import type { CachingRequest, LeaseHolder } from "#vfs/opens/index.ts";
import { type CreateRequest, OplockLevel } from "#wire/smb2/create.ts";
import { decodeLeaseContext, leaseContextName, type LeaseContext } from "#wire/smb2/lease.ts";
import { Dialect } from "#wire/smb2/negotiate.ts";
import type { SmbConnection } from "../connection.ts";
import type { Open } from "../open/open.ts";
import { guidOf } from "./clients.ts";
import { LeaseClient } from "./lease-client.ts";
import { cachedBy, OplockClient } from "./oplock.ts";

/** Whoever is told of breaks once an answer has given something to break. */
export interface Told extends LeaseHolder {
  granted(open: Open): void;
}

/** Nothing is granted to who asks for nothing, and nothing broken. */
const nobody: Told = { broken: () => true, granted() {} };
const nothingAsked: Asked = { caching: null, holder: nobody, context: null, parentKey: null };

/** What a CREATE asks to cache, and whom to tell when it breaks. */
export interface Asked {
  readonly caching: CachingRequest | null;
  readonly holder: Told;
  /** Of a lease. */
  readonly context: LeaseContext | null;
  readonly parentKey: string | null;
}

/** A lease key is its client's own: others may have the same. */
export function leaseKey(connection: SmbConnection, key: Uint8Array): string {
  return guidOf(connection) + Buffer.from(key).toString("latin1");
}

/** Null: the lease it asks for is malformed. */
export function askedFor(connection: SmbConnection, request: CreateRequest): Asked | null {
  const { durables } = connection.server;
  if (request.oplock !== OplockLevel.LEASE) {
    const state = cachedBy(request.oplock);
    if (state === 0) return nothingAsked;
    return { caching: { key: null, state, epoch: 0 }, holder: new OplockClient(durables), context: null, parentKey: null };
  }
  const sent = connection.dialect < Dialect.SMB_2_1 ? undefined : request.contexts.find(({ name }) => name === leaseContextName);
  if (sent === undefined) return nothingAsked;
  const context = decodeLeaseContext(sent.data);
  if (context === null) return null;
  connection.server.leaseClients.add(connection);
  const { key, state, epoch, parentKey } = context;
  return {
    caching: { key: leaseKey(connection, key), state, epoch },
    holder: new LeaseClient(context, durables),
    context,
    parentKey: parentKey === null ? null : leaseKey(connection, parentKey),
  };
}
