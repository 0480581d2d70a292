import type { Maybe } from "#base/brand.ts";
import { FsError } from "#model/fs-error.ts";
import { XattrName } from "#model/inode-flags.ts";
import { after } from "#vfs/maybe.ts";
import { changedEas, decodeEaNames, decodeEas, type Ea, easBytesMax, encodeEas, isEaName } from "#wire/ea.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { AccessMask } from "#wire/smb2/create.ts";
import { encodeOutputHeader, type QueryInfoRequest } from "#wire/smb2/query.ts";
import type { Call } from "../call.ts";
import type { Open } from "../open/open.ts";
import { ntStatusOf } from "../status.ts";

const none: readonly Ea[] = [];
const noBytes = new Uint8Array(0);

/** Flags of a QUERY_INFO for EAs (MS-SMB2 2.2.37). */
const QueryEa = { restart: 1, single: 2, indexed: 4 } as const;

/** The EAs of an open's file; what is stored and makes no sense counts as none. */
export function easOf(open: Open): Maybe<readonly Ea[] | number> {
  return after(open.tree.fs!.xattr(open.credentials(), open.ownerId, XattrName.ea), (stored) => {
    if (stored instanceof FsError) return ntStatusOf(stored);
    return stored === null ? none : parsed(stored);
  });
}

/** EAs as they are stored: the chain that clients send and get. */
function parsed(stored: Uint8Array): readonly Ea[] {
  const chain = decodeEas(stored);
  return "eas" in chain ? chain.eas : none;
}

/** FileFullEaInformation (MS-FSA 2.1.5.12.13): those named, or one after the other from where the open stands. */
export function queryEas(call: Call, request: QueryInfoRequest, open: Open): Maybe<number> {
  if ((open.access & AccessMask.READ_EA) === 0) return NtStatus.ACCESS_DENIED;
  const names = request.input.length === 0 ? null : decodeEaNames(request.input);
  if (names === null && request.input.length > 0) return NtStatus.INVALID_PARAMETER;
  // The request is in memory that the next message takes.
  const { flags, outputBytesMax } = request;
  return after(easOf(open), (eas) => {
    if (typeof eas === "number") return eas;
    if (names !== null) return give(call, named(eas, names), outputBytesMax).status;
    if (eas.length === 0) return NtStatus.NO_EAS_ON_FILE;
    if ((flags & (QueryEa.restart | QueryEa.indexed)) !== 0) open.eaIndex = 0;
    if (open.eaIndex >= eas.length) return NtStatus.NO_MORE_EAS;
    const given = give(call, eas.slice(open.eaIndex, (flags & QueryEa.single) === 0 ? undefined : open.eaIndex + 1), outputBytesMax);
    open.eaIndex += given.count;
    return given.status;
  });
}

/** The EAs asked for by name; one there is none of is empty. */
function named(eas: readonly Ea[], names: readonly string[]): readonly Ea[] {
  return names.map((name) => {
    const folded = name.toUpperCase();
    return eas.find((each) => each.name.toUpperCase() === folded) ?? { name, flags: 0, value: noBytes };
  });
}

/** As many as have room; the rest is for the next request, and none at all is too little room. */
function give(call: Call, eas: readonly Ea[], room: number): { readonly status: number; readonly count: number } {
  const { bytes, count } = encodeEas(eas, room);
  if (count === 0) return { status: NtStatus.BUFFER_TOO_SMALL, count };
  encodeOutputHeader(call.w, bytes.length);
  call.w.raw(bytes);
  if (count === eas.length) return { status: NtStatus.SUCCESS, count };
  call.hasBody = true;
  return { status: NtStatus.BUFFER_OVERFLOW, count };
}

/** The EAs of a request: a status where they are malformed or have names that none can have. */
export function requestedEas(input: Uint8Array): readonly Ea[] | NtStatus {
  const chain = decodeEas(input);
  if (!("eas" in chain)) return NtStatus.EA_LIST_INCONSISTENT;
  for (const { name } of chain.eas) if (!isEaName(name)) return NtStatus.INVALID_EA_NAME;
  return chain.eas;
}

/** EAs as they are stored; null: there are none. A status where they are too long. */
export function storedEas(eas: readonly Ea[]): Uint8Array | null | NtStatus {
  if (eas.length === 0) return null;
  const { bytes, count } = encodeEas(eas, easBytesMax);
  return count === eas.length ? bytes : NtStatus.EA_TOO_LARGE;
}

/** FileFullEaInformation set (MS-FSA 2.1.5.15.6): each replaces its namesake, and goes where it has no value. */
export async function setEas(open: Open, input: Uint8Array): Promise<number> {
  // The request is in memory that the next message takes.
  const changes = requestedEas(input.slice());
  if (typeof changes === "number") return changes;
  let tooLarge = false;
  const done = await open.tree.fs!.changeXattr(open.credentials(), open.ownerId, XattrName.ea, (now) => {
    const stored = storedEas(changedEas(now === null ? none : parsed(now), changes));
    tooLarge = typeof stored === "number";
    return typeof stored === "number" ? FsError.of("fileTooBig") : stored;
  });
  if (tooLarge) return NtStatus.EA_TOO_LARGE;
  return done instanceof FsError ? ntStatusOf(done) : NtStatus.SUCCESS;
}
