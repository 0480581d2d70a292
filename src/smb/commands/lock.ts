import type { Maybe } from "#base/brand.ts";
import type { FileSystem } from "#vfs/file-system.ts";
import { LockOutcome, type LockRange, type LockRequest, rangeOf } from "#vfs/locks/index.ts";
import { Cause } from "#vfs/opens/caching.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { AccessMask } from "#wire/smb2/create.ts";
import { decodeLock, type LockElement, LockFlag } from "#wire/smb2/io.ts";
import { Capability, Dialect } from "#wire/smb2/negotiate.ts";
import { encodeEmptyBody } from "#wire/smb2/session.ts";
import type { Call } from "../call.ts";
import { persist } from "../durable/index.ts";
import { LockReplay } from "../open/lock-replay.ts";
import type { Open } from "../open/open.ts";
import { fileOf } from "./file-of.ts";

type LockAsked = NonNullable<ReturnType<typeof decodeLock>>;

/** LOCK (MS-SMB2 3.3.5.14): locks and unlocks ranges of bytes; a lock that is held by another waits where it may. */
export function lock(call: Call): Maybe<number> {
  const request = decodeLock(call.bytes, call.base, call.end);
  if (request === null) return NtStatus.INVALID_PARAMETER;
  const open = fileOf(call, request.fileIdAt);
  if (typeof open === "number") return open;
  if (open.pipe !== null) return NtStatus.INVALID_DEVICE_REQUEST;
  if (open.directory) return NtStatus.INVALID_PARAMETER;
  if ((open.access & (AccessMask.READ_DATA | AccessMask.WRITE_DATA)) === 0) return NtStatus.ACCESS_DENIED;
  const { sequence } = request;
  const replay = isReplayed(call, open) ? (open.lockReplay ??= new LockReplay()) : null;
  if (replay !== null && replay.isDone(sequence)) return succeeded(call);
  const status = unlocks(request) ? unlockAll(open, request.locks) : lockAll(call, open, request.locks);
  if (status instanceof Promise) return status.then((late) => answered(call, open, replay, request, late));
  return answered(call, open, replay, request, status);
}

function unlocks({ locks }: LockAsked): boolean {
  return (locks[0]!.flags & LockFlag.UNLOCK) !== 0;
}

/** Whether a client may send a LOCK again that was answered on a connection it lost: where a session can have several, or the open outlives them. */
function isReplayed({ connection }: Call, open: Open): boolean {
  return open.durable !== null || (connection.dialect >= Dialect.SMB_3_0 && (connection.capabilities & Capability.MULTI_CHANNEL) !== 0);
}

function answered(call: Call, open: Open, replay: LockReplay | null, asked: LockAsked, status: number): Maybe<number> {
  if (status !== NtStatus.SUCCESS) return status;
  if (open.durable?.persistent === true) return recorded(call, open, replay, asked);
  replay?.done(asked.sequence);
  return succeeded(call);
}

/** The locks of an open that outlives the server do so before they are told of; those that can't are none. */
async function recorded(call: Call, open: Open, replay: LockReplay | null, asked: LockAsked): Promise<number> {
  if (!(await persist(call.connection.server, open))) {
    if (!unlocks(asked)) filesOf(open).locks.unlock(open.id, open.file!, asked.locks.map(of).filter((range) => typeof range !== "number"));
    return NtStatus.INSUFFICIENT_RESOURCES;
  }
  replay?.done(asked.sequence);
  return succeeded(call);
}

function succeeded(call: Call): number {
  encodeEmptyBody(call.w);
  return NtStatus.SUCCESS;
}

/** Unlocks one after the other; what was unlocked before one that fails stays so (MS-SMB2 3.3.5.14.1). */
function unlockAll(open: Open, elements: readonly LockElement[]): number {
  const ranges: LockRange[] = [];
  let failed: number = NtStatus.SUCCESS;
  for (const element of elements) {
    const range = element.flags === LockFlag.UNLOCK ? of(element) : NtStatus.INVALID_PARAMETER;
    if (typeof range === "number") {
      failed = range;
      break;
    }
    ranges.push(range);
  }
  const gone = filesOf(open).locks.unlock(open.id, open.file!, ranges);
  return gone < ranges.length ? NtStatus.RANGE_NOT_LOCKED : failed;
}

/** Takes all locks or none; only a single one may wait (MS-SMB2 3.3.5.14.2). */
function lockAll(call: Call, open: Open, elements: readonly LockElement[]): Maybe<number> {
  const requests: LockRequest[] = [];
  let waits = false;
  for (const element of elements) {
    const kind = element.flags & ~LockFlag.FAIL_IMMEDIATELY;
    if (kind !== LockFlag.SHARED && kind !== LockFlag.EXCLUSIVE) return NtStatus.INVALID_PARAMETER;
    waits = (element.flags & LockFlag.FAIL_IMMEDIATELY) === 0;
    if (waits && elements.length > 1) return NtStatus.INVALID_PARAMETER;
    const range = of(element);
    if (typeof range === "number") return range;
    requests.push({ range, exclusive: kind === LockFlag.EXCLUSIVE });
  }
  // Whoever locks relies on what is in the file, not on what somebody keeps of it (MS-FSA 2.1.4.12).
  open.file!.file.breakFor(Cause.content, open.file);
  const outcome = filesOf(open).locks.lock(open.id, open.file!, requests);
  if (outcome === LockOutcome.granted) return NtStatus.SUCCESS;
  if (outcome === LockOutcome.full) return NtStatus.INSUFFICIENT_RESOURCES;
  return waits ? waitFor(call, open, requests[0]!) : NtStatus.LOCK_NOT_GRANTED;
}

async function waitFor(call: Call, open: Open, request: LockRequest): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<LockOutcome>();
  const wait = filesOf(open).locks.wait(open.id, open.file!, request, resolve);
  if (wait === null) return NtStatus.INSUFFICIENT_RESOURCES;
  if (call.pend(() => wait.cancel()) === null) {
    wait.cancel();
    return NtStatus.INSUFFICIENT_RESOURCES;
  }
  return lateStatus[await promise];
}

/** What a request that waited is answered: of an open that was closed meanwhile, nothing is locked (MS-SMB2 3.3.4.2). */
const lateStatus = {
  granted: NtStatus.SUCCESS,
  conflict: NtStatus.LOCK_NOT_GRANTED,
  full: NtStatus.INSUFFICIENT_RESOURCES,
  closed: NtStatus.RANGE_NOT_LOCKED,
  cancelled: NtStatus.CANCELLED,
} satisfies Record<LockOutcome, number>;

function filesOf(open: Open): FileSystem {
  return open.tree.fs!;
}

function of({ offsetHigh, offsetLow, lengthHigh, lengthLow }: LockElement): LockRange | number {
  return rangeOf(offsetHigh, offsetLow, lengthHigh, lengthLow) ?? NtStatus.INVALID_LOCK_RANGE;
}
