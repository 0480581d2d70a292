import { Time } from "#base/time.ts";
import type { FileId } from "#model/ids.ts";
import { FileType } from "#model/inode.ts";
import { FileAttribute } from "#wire/fscc.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { CreateAction, type CreateContext, type CreateRequest, decodeCreate, encodeCreate } from "#wire/smb2/create.ts";
import type { Call } from "../call.ts";
import { fullAccess } from "../open/access.ts";
import { refuseRequest } from "../open/create-checks.ts";
import { noHolder } from "../lease/holder.ts";
import { factsOf } from "../open/facts.ts";
import { Open } from "../open/open.ts";
import { Opening } from "../open/opening.ts";
import { partsOf } from "../open/path.ts";
import { pipes } from "../pipe/index.ts";
import { Pipe } from "../pipe/pipe.ts";

/** CREATE (MS-SMB2 3.3.5.9). */
export async function create(call: Call): Promise<number> {
  const request = decodeCreate(call.bytes, call.base, call.end);
  const status = request === null ? NtStatus.INVALID_PARAMETER : await open(call, request);
  call.relatedStatus = status;
  if (status !== NtStatus.SUCCESS) call.related = null;
  return status;
}

async function open(call: Call, request: CreateRequest): Promise<number> {
  const { fs } = call.tree!;
  if (fs === null) return openPipe(call, request);
  const refused = refuseRequest(request);
  if (refused !== NtStatus.SUCCESS) return refused;
  if (call.connection.opens.full) return NtStatus.INSUFFICIENT_RESOURCES;
  const parts = partsOf(request.name);
  if (typeof parts === "number") return parts;
  const opening = new Opening(fs, call.tree!.credentials(), parts, request, noHolder);
  const opened = await opening.run();
  if (typeof opened === "number") return opened;
  const { opens } = call.connection;
  const { inode, file } = opened;
  const one = new Open(opens.next(), call.tree!, inode.id, inode.type === FileType.directory, file.access, file, parts.join("\\"));
  opens.add(one);
  call.related = one;
  encodeCreate(call.w, call.answerAt, 0, opened.action, factsOf(inode), one.fileId, contextsFor(request));
  return NtStatus.SUCCESS;
}

/** A pipe of IPC$ (MS-SMB2 3.3.5.9, "if the share is a named pipe share"). */
function openPipe(call: Call, request: CreateRequest): number {
  const served = pipes.get(request.name.toLowerCase().replace(/^\\/, ""));
  if (served === undefined) return NtStatus.OBJECT_NAME_NOT_FOUND;
  const { opens } = call.connection;
  if (opens.full) return NtStatus.INSUFFICIENT_RESOURCES;
  const one = new Open(opens.next(), call.tree!, 0 as FileId, false, fullAccess, null, request.name);
  one.pipe = new Pipe(request.name, served(call.connection.server));
  opens.add(one);
  call.related = one;
  const zero = Time.zero;
  const facts = { creationTime: zero, accessTime: zero, writeTime: zero, changeTime: zero, allocationBytes: 4096, endOfFile: 0, attributes: FileAttribute.NORMAL };
  encodeCreate(call.w, call.answerAt, 0, CreateAction.OPENED, facts, one.fileId, []);
  return NtStatus.SUCCESS;
}

/** Answers to the contexts that are understood (MS-SMB2 2.2.14.2): maximal access. */
function contextsFor(request: CreateRequest): readonly CreateContext[] {
  const answers: CreateContext[] = [];
  for (const { name } of request.contexts) {
    if (name !== "MxAc") continue;
    const data = new Uint8Array(8);
    new DataView(data.buffer).setUint32(4, fullAccess, true);
    answers.push({ name, data });
  }
  return answers;
}
