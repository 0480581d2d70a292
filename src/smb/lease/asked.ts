import type { CachingRequest } from "#vfs/opens/index.ts";
import { type CreateRequest, OplockLevel } from "#wire/smb2/create.ts";
import { decodeLeaseContext, leaseContextName, type LeaseContext } from "#wire/smb2/lease.ts";
import { Dialect } from "#wire/smb2/negotiate.ts";
import type { SmbConnection } from "../connection.ts";
import { guidOf } from "./clients.ts";
import { LeaseClient } from "./lease-client.ts";
import { cachedBy, OplockClient } from "./oplock.ts";

/** What a CREATE asks to cache, and whom to tell when it breaks. */
export interface Asked {
  readonly caching: CachingRequest | null;
  readonly holder: LeaseClient | OplockClient;
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
    return { caching: state === 0 ? null : { key: null, state, epoch: 0 }, holder: new OplockClient(durables), context: null, parentKey: null };
  }
  const sent = connection.dialect < Dialect.SMB_2_1 ? undefined : request.contexts.find(({ name }) => name === leaseContextName);
  if (sent === undefined) return { caching: null, holder: new OplockClient(durables), context: null, parentKey: null };
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
