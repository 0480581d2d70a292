import { assert } from "#base/assert.ts";
import type { Maybe } from "#base/brand.ts";
import { StoreFailedError, StoreUnavailableError } from "#model/block-store.ts";
import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import type { FileSystem, Shares } from "#vfs/file-system.ts";
import { fhBytesMax, NfsStat3, postOpAttrBytes, wccDataBytes } from "#wire/nfs3.ts";
import { AcceptStat } from "#wire/rpc.ts";
import { XdrFailure, type XdrReader } from "#wire/xdr-reader.ts";
import { writeCachedPostOp, writeUnchangedWcc } from "../attributes.ts";
import type { Call, Procedure } from "../call.ts";
import { nfs3StatusOf } from "../status.ts";

/** What a procedure's failed answer carries after its status (the resfail of each in RFC 1813 §3.3). */
export const FailureBody = {
  none: 0,
  /** post_op_attr of the file. */
  attributes: 1,
  /** wcc_data of the file or directory. */
  wcc: 2,
  /** LINK: post_op_attr of the file, wcc_data of the directory, which is the second handle. */
  attributesThenWcc: 3,
  /** RENAME: wcc_data of both directories. */
  wccThenWcc: 4,
} as const;
export type FailureBody = (typeof FailureBody)[keyof typeof FailureBody];

/** Most bytes of one READ and one WRITE: as they are now, as they may change. */
export interface TransferSizes {
  readMax: number;
  writeMax: number;
}

/** What the procedures need beside their call. */
export interface Nfs3Settings {
  readonly shares: Shares;
  readonly sizes: Readonly<TransferSizes>;
}

export interface Nfs3Procedure extends Omit<Procedure, "operation"> {
  readonly failure: FailureBody;
}

/** Declares a procedure; the version's table gives it its number. */
export function procedure(
  name: string,
  failure: FailureBody,
  remembered: boolean,
  run: (call: Call, args: XdrReader) => void | Promise<void>,
  namesAt?: readonly number[],
): Nfs3Procedure {
  return { name, failure, remembered, run, trouble, comeBack, ...(namesAt === undefined ? {} : { namesAt }) };
}

/** Most procedures that change names begin their arguments with a directory's handle and a name. */
export const firstName: readonly number[] = [0];

function comeBack(call: Call): void {
  fail(call, NfsStat3.NFS3ERR_JUKEBOX);
}

/** A store that is away heals: the client comes again. Nothing of what was asked for has happened. One that refuses for good is an I/O error. */
function trouble(call: Call, error: unknown): boolean {
  if (error instanceof StoreFailedError) {
    call.client.logger.error({ ...call.logFields, error }, "a request was answered by an I/O error: the share's store refuses what it needs");
    fail(call, NfsStat3.NFS3ERR_IO);
    return true;
  }
  if (!(error instanceof StoreUnavailableError)) return false;
  fail(call, NfsStat3.NFS3ERR_JUKEBOX);
  return true;
}

/** Answers `status`, with the attributes that its procedure's failures carry as far as they are at hand. */
export function fail(call: Call, status: NfsStat3): void {
  if (status === NfsStat3.NFS3ERR_JUKEBOX) call.repeatable = false;
  call.status = status;
  const w = call.begin();
  w.reserve(4 + 2 * wccDataBytes);
  w.u32(status);
  switch ((call.procedure as Procedure & Nfs3Procedure).failure) {
    case FailureBody.none:
      break;
    case FailureBody.attributes:
      writeCachedPostOp(w, call.id, call.view);
      break;
    case FailureBody.wcc:
      writeUnchangedWcc(w, call.id, call.view);
      break;
    case FailureBody.attributesThenWcc:
      writeCachedPostOp(w, call.id, call.view);
      writeUnchangedWcc(w, call.otherId, call.view);
      break;
    case FailureBody.wccThenWcc:
      writeUnchangedWcc(w, call.id, call.view);
      writeUnchangedWcc(w, call.otherId, call.view);
      break;
  }
  call.end();
}

export function failWith(call: Call, error: FsError): void {
  if (error.code === "io") call.client.logger.warn(call.logFields, "a request was answered by an I/O error: other lines about its share say why");
  fail(call, nfs3StatusOf(error));
}

/** Answers a call whose arguments could not be decoded, or whose names are none. */
export function refuse(call: Call, failure: XdrFailure): void {
  if (failure === XdrFailure.tooLong) fail(call, NfsStat3.NFS3ERR_NAMETOOLONG);
  else if (failure === XdrFailure.badName) fail(call, NfsStat3.NFS3ERR_INVAL);
  else call.reject(AcceptStat.GARBAGE_ARGS);
}

/**
 * Reads the first handle of the arguments: sets the call's share, file and credentials. Null where the call is answered already:
 * no handle of ours, or a client the share is not open to.
 */
export function locate(call: Call, args: XdrReader, settings: Nfs3Settings): FileSystem | null {
  if (!args.opaque(fhBytesMax)) {
    call.reject(AcceptStat.GARBAGE_ARGS);
    return null;
  }
  const located = settings.shares.locate(args.bytes, args.opaqueAt, args.opaqueLength);
  if (located instanceof FsError) {
    failWith(call, located);
    return null;
  }
  const view = call.client.view(located.fs);
  if (!view.allowed) {
    fail(call, NfsStat3.NFS3ERR_ACCES);
    return null;
  }
  call.view = view;
  call.id = located.id;
  call.who = view.credentials(call.claim);
  return located.fs;
}

/** Reads a second handle, which must be of the same share. False where the call is answered already. */
export function locateOther(call: Call, args: XdrReader, settings: Nfs3Settings): boolean {
  if (!args.opaque(fhBytesMax)) {
    refuse(call, args.failure);
    return false;
  }
  const located = settings.shares.locate(args.bytes, args.opaqueAt, args.opaqueLength);
  if (located instanceof FsError) {
    failWith(call, located);
    return false;
  }
  if (located.fs !== call.view?.fs) {
    fail(call, NfsStat3.NFS3ERR_XDEV);
    return false;
  }
  call.otherId = located.id;
  return true;
}

export function whoOf(call: Call): Credentials {
  assert(call.who !== null, "credentials are known once a handle is located");
  return call.who;
}

export function idOf(call: Call): FileId {
  assert(call.id !== 0, "the file is known once a handle is located");
  return call.id;
}

export function otherIdOf(call: Call): FileId {
  assert(call.otherId !== 0, "the second file is known once its handle is located");
  return call.otherId;
}

/** Answers now where the result is at hand, and when it is otherwise: the seam between memory and I/O. */
export function settle<T>(call: Call, value: Maybe<T>, answer: (call: Call, value: T) => void): void | Promise<void> {
  if (value instanceof Promise) return value.then((result) => answer(call, result));
  answer(call, value);
}

/** Room for a status and a post_op_attr. */
export const statusAndAttributesBytes = 4 + postOpAttrBytes;
