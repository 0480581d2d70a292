import { NtStatus } from "#wire/ntstatus.ts";
import { decodeTreeConnect, encodeEmptyBody, encodeTreeConnect, isEmptyBody, ShareType } from "#wire/smb2/session.ts";
import type { FileSystem } from "#vfs/file-system.ts";
import type { Call } from "../call.ts";
import { fullAccess } from "../open/access.ts";
import { closeAll } from "../open/closing.ts";
import { treesMax } from "../session/session.ts";
import { Tree } from "../tree/tree.ts";

/** TREE_CONNECT (MS-SMB2 3.3.5.7): \\server\share, in any case. */
export function treeConnect(call: Call): number {
  const request = decodeTreeConnect(call.bytes, call.base, call.end);
  if (request === null) return NtStatus.INVALID_PARAMETER;
  const { connection } = call;
  const session = call.session!;
  const name = request.path.split("\\").at(-1) ?? "";
  const isPipe = name.toUpperCase() === "IPC$";
  const fs = isPipe ? null : shareNamed(call, name);
  if (fs === undefined) return NtStatus.BAD_NETWORK_NAME;
  if (session.trees.size >= treesMax) return NtStatus.INSUFFICIENT_RESOURCES;
  const tree = new Tree(session.nextTreeId(), fs, session.user!, connection.server.clock.now());
  if (!tree.admits(connection.transport.address)) return NtStatus.ACCESS_DENIED;
  session.trees.set(tree.id, tree);
  call.w.setU32(call.answerAt + 36, tree.id);
  encodeTreeConnect(call.w, isPipe ? ShareType.PIPE : ShareType.DISK, 0, 0, fullAccess);
  return NtStatus.SUCCESS;
}

/** A share by the name SMB has for it: without the slash, in any case. */
function shareNamed(call: Call, name: string): FileSystem | undefined {
  const { shares } = call.connection.server;
  const exact = shares.byName(`/${name}`);
  if (exact !== undefined) return exact;
  const folded = `/${name}`.toLowerCase();
  return shares.list().find((each) => each.name.toLowerCase() === folded);
}

export function treeDisconnect(call: Call): number {
  if (!isEmptyBody(call.bytes, call.base, call.end)) return NtStatus.INVALID_PARAMETER;
  const tree = call.tree!;
  closeAll(call.connection, tree);
  call.session!.trees.delete(tree.id);
  encodeEmptyBody(call.w);
  return NtStatus.SUCCESS;
}
