import type { Maybe } from "#base/brand.ts";
import { FsError } from "#model/fs-error.ts";
import type { Inode } from "#model/inode.ts";
import { Cached } from "#vfs/opens/index.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { type CreateAction, type CreateRequest, type OpenedFile, OplockLevel } from "#wire/smb2/create.ts";
import { decodeDurable, type DurableAsk } from "#wire/smb2/durable.ts";
import { HeaderFlag } from "#wire/smb2/header.ts";
import type { LeaseContext } from "#wire/smb2/lease.ts";
import { Dialect } from "#wire/smb2/negotiate.ts";
import type { Call } from "../call.ts";
import { askedFor, cachedBy, leaseKey } from "../lease/index.ts";
import type { Open } from "../open/open.ts";
import { ntStatusOf } from "../status.ts";
import { clientOf, ownerOf } from "./durable.ts";
import { underWay } from "./durables.ts";
import { creationOf, restoredOf } from "./persisting.ts";
import { isAway, levelOf, reattach, reconnect, seenOf } from "./reconnect.ts";

/** What a CREATE that succeeded is answered. */
export interface Answered {
  readonly request: CreateRequest;
  readonly open: Open;
  /** Where its name is, where that was looked up. */
  readonly parent: Inode | null;
  /** The file or directory; of a stream its owner. */
  readonly inode: Inode;
  readonly facts: OpenedFile;
  readonly action: CreateAction;
  readonly oplock: number;
  /** What it asked of a lease; null: nothing. */
  readonly lease: LeaseContext | null;
  /** The answer tells that the open is durable. */
  readonly durable: boolean;
}

/** Encodes the answer of a CREATE. */
export type Answer = (call: Call, answered: Answered) => void;

/** Opens or makes the file, answers, and gives the open; a status where it fails. */
export type Make = (call: Call, request: CreateRequest, ask: DurableAsk | null) => Maybe<Open | number>;

/** CREATE on a share of files, as its contexts for durable opens have it (MS-SMB2 3.3.5.9.6, .7, .10, .12). */
export function createDurably(call: Call, request: CreateRequest, make: Make, answer: Answer): Maybe<number> {
  if (request.contexts.length === 0) return outcomeOf(make(call, request, null));
  const ask = decodeDurable(request.contexts, call.connection.dialect >= Dialect.SMB_3_0);
  if (ask === "invalid") return NtStatus.INVALID_PARAMETER;
  if (ask !== null && ask.reconnect !== null) return reconnect(call, request, ask, answer);
  if (ask === null || ask.version === 1) return outcomeOf(make(call, request, ask));
  return createOnce(call, request, ask, make, answer);
}

function outcomeOf(made: Maybe<Open | number>): Maybe<number> {
  return made instanceof Promise ? made.then(statusOf) : statusOf(made);
}

/** One that has a GUID is done once, however often it is sent (MS-SMB2 3.3.5.9.10). */
async function createOnce(call: Call, request: CreateRequest, ask: DurableAsk, make: Make, answer: Answer): Promise<number> {
  const { durables } = call.connection.server;
  const key = creationOf(clientOf(call), ask.createGuid);
  const known = durables.begin(key);
  if (known !== null) return repeat(call, request, known, answer);
  const back = restoredOf(call, key);
  if (back !== null) {
    durables.done(key, null);
    return repeat(call, request, back, answer);
  }
  let made: Open | number = NtStatus.UNSUCCESSFUL;
  try {
    made = await make(call, request, ask);
  } finally {
    durables.done(key, typeof made === "number" ? null : made);
  }
  return statusOf(made);
}

function statusOf(made: Open | number): number {
  return typeof made === "number" ? made : NtStatus.SUCCESS;
}

/** A CREATE of a GUID that its client has used (MS-SMB2 3.3.5.9.10): answered again where it is marked as sent again. */
async function repeat(call: Call, request: CreateRequest, open: Open | typeof underWay, answer: Answer): Promise<number> {
  if ((call.header.flags & HeaderFlag.REPLAY_OPERATION) === 0) return NtStatus.DUPLICATE_OBJECTID;
  if (open === underWay) return NtStatus.FILE_NOT_AVAILABLE;
  const asked = askedFor(call.connection, request);
  if (asked === null) return NtStatus.INVALID_PARAMETER;
  const lease = open.file!.lease;
  const key = asked.context === null ? null : leaseKey(call.connection, asked.context.key);
  if (open.tree.fs !== call.tree!.fs || key !== (lease?.key ?? null)) return NtStatus.ACCESS_DENIED;
  // Looked up first: whoever can't be told has not come back.
  const seen = await seenOf(open);
  if (seen instanceof FsError) return ntStatusOf(seen);
  if (call.tree!.ended) return NtStatus.NETWORK_NAME_DELETED;
  if (isAway(call, open)) {
    if (open.durable!.owner !== ownerOf(call.session!)) return NtStatus.ACCESS_DENIED;
    reattach(call, open);
  } else if (open.tree.session !== call.session || !call.connection.opens.has(open)) {
    // Another has it; or it is closed by now; or it was found in its record twice at once, and come back to by the other.
    return NtStatus.DUPLICATE_OBJECTID;
  }
  call.related = open;
  const oplock = repeatedLevel(open, request.oplock);
  const kept = oplock === OplockLevel.LEASE ? (lease?.state ?? 0) : cachedBy(oplock);
  const durable = open.durable !== null && (open.durable.persistent || (kept & Cached.handle) !== 0);
  answer(call, { request, open, parent: null, ...seen, action: open.action, oplock, lease: asked.context, durable });
  return NtStatus.SUCCESS;
}

/** Of an oplock no more than this request asks for, nor than the open has. */
function repeatedLevel(open: Open, asked: number): number {
  const level = levelOf(open);
  if (level === OplockLevel.LEASE) return level;
  return (cachedBy(asked) & ~cachedBy(level)) === 0 ? asked : level;
}
