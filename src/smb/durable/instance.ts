import { readRights } from "#model/acl.ts";
import { FsError } from "#model/fs-error.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import type { CreateRequest } from "#wire/smb2/create.ts";
import type { AppInstance } from "#wire/smb2/durable.ts";
import type { Call } from "../call.ts";
import { closeOpen } from "../open/closing.ts";
import type { Open } from "../open/open.ts";
import { clientOf } from "./durable.ts";
import { pathNow } from "../open/path-now.ts";
import { grantAccess, maximalAccess, momentaryRights } from "../security/granted.ts";

/**
 * An application instance that moved to another machine has its file (MS-SMB2 3.3.5.9.13): what it had opened there is closed, for whoever
 * may read the file and open it as he asks to. Who that is does not matter: machines have accounts of their own. A status other than
 * success: a later version of the instance has it.
 */
export async function takeOver(call: Call, request: CreateRequest, instance: AppInstance): Promise<number> {
  const { server } = call.connection;
  const fs = call.tree!.fs!;
  for (const open of server.durables.of(instance.id)) {
    if (open.tree.fs !== fs || clientOfOpen(open) === clientOf(call) || (await pathNow(open)).toLowerCase() !== request.name.toLowerCase()) continue;
    if (isLater(open, instance)) return NtStatus.FILE_FORCED_CLOSED;
    const inode = await fs.getattr(open.id);
    const parent = open.place === null ? null : await fs.getattr(open.place.parent);
    if (inode instanceof FsError || parent instanceof FsError) continue;
    const who = call.tree!.credentials();
    const given = grantAccess(fs, who, parent, inode, request.desiredAccess, momentaryRights(request.disposition), false);
    if ("refused" in given) return given.refused;
    if ((maximalAccess(fs, who, parent, inode) & readRights) !== readRights) continue;
    await closeOpen(server, open);
  }
  return NtStatus.SUCCESS;
}

/** The client that has an open, in hex. */
function clientOfOpen({ tree, durable }: Open): string | null {
  const { connection } = tree.session;
  return connection === null ? (durable?.clientGuid ?? null) : Buffer.from(connection.clientGuid).toString("hex");
}

/** Whether the instance that has it open is of the same version or a later one, or of one at all where none is told. */
function isLater(open: Open, { version }: AppInstance): boolean {
  const had = open.instance?.version ?? null;
  if (had === null) return false;
  if (version === null) return true;
  return had.high > version.high || (had.high === version.high && had.low >= version.low);
}
