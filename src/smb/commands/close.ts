import type { Maybe } from "#base/brand.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { headerBytes } from "#wire/smb2/header.ts";
import { closePostQueryAttributes, decodeClose, encodeClose, type OpenedFile } from "#wire/smb2/create.ts";
import type { Call } from "../call.ts";
import { closeOpen } from "../open/closing.ts";
import type { Open } from "../open/open.ts";
import { openedFacts } from "../info/known.ts";
import { settleWriteTime } from "../open/write-times.ts";
import { toldWhenSlow } from "../pending.ts";
import { isOfStore } from "../trouble.ts";
import { fileOf } from "./file-of.ts";

/** CLOSE (MS-SMB2 3.3.5.10). */
export function close(call: Call): Maybe<number> {
  const status = closed(call);
  return status instanceof Promise ? toldWhenSlow(call, status) : status;
}

function closed(call: Call): Maybe<number> {
  const flags = decodeClose(call.bytes, call.base, call.end);
  if (flags < 0) return NtStatus.INVALID_PARAMETER;
  const open = fileOf(call, call.base + headerBytes + 8);
  if (typeof open === "number") return open;
  const settled = open.pipe === null ? settleWriteTime(open) : null;
  const telling = (flags & closePostQueryAttributes) !== 0 && open.pipe === null;
  const done = settled === null ? tell(call, open, telling) : settled.then(() => tell(call, open, telling), (error: unknown) => closedYet(call, open, error));
  return done instanceof Promise ? done.catch((error: unknown) => notStored(call, open, error)) : done;
}

/** It is closed all the same: nobody closes it again. */
async function closedYet(call: Call, open: Open, error: unknown): Promise<never> {
  await closeOpen(call.connection.server, open);
  throw error;
}

function notStored(call: Call, { path }: Open, error: unknown): never {
  call.connection.server.logger.warn({ ...call.logFields, path, error }, "a file was closed, but what its close was to store was not stored: its name stays if it was to be deleted, and its write time is that of the last write");
  throw error;
}

/** The file as it is before it is let go of. */
function tell(call: Call, open: Open, telling: boolean): Maybe<number> {
  if (!telling) return letGo(call, open, null);
  const opened = openedFacts(open);
  if (!(opened instanceof Promise)) return letGo(call, open, factsOf(opened));
  return opened.then(factsOf, unknown).then((facts) => letGo(call, open, facts));
}

/** What can't be read is not told (MS-SMB2 3.3.5.10). */
function unknown(error: unknown): null {
  if (isOfStore(error)) return null;
  throw error;
}

function factsOf(known: { readonly facts: OpenedFile } | number): OpenedFile | null {
  return typeof known === "number" ? null : known.facts;
}

function letGo(call: Call, open: Open, facts: OpenedFile | null): Maybe<number> {
  const closed = closeOpen(call.connection.server, open);
  return closed instanceof Promise ? closed.then(() => answer(call, facts)) : answer(call, facts);
}

function answer(call: Call, facts: OpenedFile | null): number {
  encodeClose(call.w, facts);
  return NtStatus.SUCCESS;
}
