import { Encryption } from "#model/credentials.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { HeaderFlag, treeIdAt } from "#wire/smb2/header.ts";
import { Dialect } from "#wire/smb2/negotiate.ts";
import { decodeTreeConnect, encodeEmptyBody, encodeTreeConnect, isEmptyBody, ShareCapability, ShareFlag, ShareType } from "#wire/smb2/session.ts";
import type { Maybe } from "#base/brand.ts";
import { Absence, type AbsentShare } from "#vfs/absent-shares.ts";
import type { FileSystem } from "#vfs/file-system.ts";
import type { Call } from "../call.ts";
import { isContinuous } from "../durable/index.ts";
import { allRights } from "#model/acl.ts";
import { shareAccess } from "../security/granted.ts";
import { Ending, endTree } from "../session/ending.ts";
import { SessionKind, treesMax } from "../session/session.ts";
import { Tree } from "../tree/tree.ts";

/** TREE_CONNECT (MS-SMB2 3.3.5.7): \\\\server\\share, in any case. */
export function treeConnect(call: Call): Maybe<number> {
  const status = connect(call);
  return status instanceof Promise ? status.then((settled) => connected(call, settled)) : connected(call, status);
}

/** Related requests behind it go on with its tree, and nothing else: with none where there is none (MS-SMB2 3.3.5.2.7.2). */
function connected(call: Call, status: number): number {
  call.related = null;
  call.relatedStatus = status === NtStatus.SUCCESS ? NtStatus.SUCCESS : NtStatus.INVALID_PARAMETER;
  return status;
}

function connect(call: Call): Maybe<number> {
  const request = decodeTreeConnect(call.bytes, call.base, call.end);
  if (request === null) return NtStatus.INVALID_PARAMETER;
  const { connection } = call;
  const session = call.session!;
  if (connection.dialect === Dialect.SMB_3_1_1 && session.kind === SessionKind.user && !call.encrypted && (call.header.flags & HeaderFlag.SIGNED) === 0) {
    connection.close("a TREE_CONNECT that proves nothing: 3.1.1 has it signed or encrypted");
    return -1;
  }
  const name = request.path.split("\\").at(-1) ?? "";
  if (name.toUpperCase() === "IPC$") return connectTo(call, null);
  const fs = shareNamed(call, name);
  if (fs !== undefined) return connectTo(call, fs);
  const absent = absentNamed(call, name);
  return absent === undefined ? NtStatus.BAD_NETWORK_NAME : connectLater(call, name, absent);
}

/** Waits for a share that is back in a moment. Nothing is said meanwhile: an interim answer has no room for the tree's id in the one that follows (MS-SMB2 2.2.1.1). */
async function connectLater(call: Call, name: string, { policy }: AbsentShare): Promise<number> {
  const { server, transport } = call.connection;
  if (!policy.admits("smb", transport.address)) return NtStatus.ACCESS_DENIED;
  await server.shares.absent.settled(server.clock, () => !transport.closed && absentNamed(call, name)?.why === Absence.returning);
  if (call.session!.ended) return NtStatus.USER_SESSION_DELETED;
  const fs = shareNamed(call, name);
  if (fs !== undefined) return connectTo(call, fs);
  // One that another server has is none of this one's.
  const why = absentNamed(call, name)?.why ?? Absence.gone;
  return why === Absence.gone ? NtStatus.BAD_NETWORK_NAME : NtStatus.SERVER_UNAVAILABLE;
}

function connectTo(call: Call, fs: FileSystem | null): number {
  const { connection } = call;
  const session = call.session!;
  if (session.trees.size >= treesMax) return NtStatus.INSUFFICIENT_RESOURCES;
  const tree = new Tree(session.nextTreeId(), fs, session, connection.server.clock.now(), connection.transport.address);
  if (!tree.admits(connection.transport.address)) return NtStatus.ACCESS_DENIED;
  const encryption = fs === null ? Encryption.off : fs.policy.smb.encryption;
  if (encryption === Encryption.required && session.sealer === null) return NtStatus.ACCESS_DENIED;
  if (encryption !== Encryption.off && session.sealer !== null) tree.encryptionRequired = session.seals = true;
  session.trees.set(tree.id, tree);
  call.tree = tree;
  call.w.setU32(call.answerAt + treeIdAt, tree.id);
  encodeTreeConnect(call.w, fs === null ? ShareType.PIPE : ShareType.DISK, tree.encryptionRequired ? ShareFlag.ENCRYPT_DATA : 0, capabilitiesOf(call, fs), fs === null ? allRights : shareAccess(fs, tree.credentials()));
  return NtStatus.SUCCESS;
}

/** Opens of the share may outlive the server. */
function capabilitiesOf(call: Call, fs: FileSystem | null): number {
  return call.connection.dialect >= Dialect.SMB_3_0 && fs !== null && isContinuous(fs) ? ShareCapability.CONTINUOUS_AVAILABILITY : 0;
}

/** A share by the name SMB has for it: without the slash, in any case. */
function shareNamed(call: Call, name: string): FileSystem | undefined {
  const { shares } = call.connection.server;
  return shares.byName(`/${name}`) ?? called(name, shares.list());
}

/** The same of shares that are not served just now. */
function absentNamed(call: Call, name: string): AbsentShare | undefined {
  const { absent } = call.connection.server.shares;
  return absent.byName(`/${name}`) ?? called(name, absent.list());
}

function called<T extends { readonly name: string }>(name: string, shares: readonly T[]): T | undefined {
  const folded = `/${name}`.toLowerCase();
  return shares.find((each) => each.name.toLowerCase() === folded);
}

/** TREE_DISCONNECT (MS-SMB2 3.3.5.8). */
export async function treeDisconnect(call: Call): Promise<number> {
  if (!isEmptyBody(call.bytes, call.base, call.end)) return NtStatus.INVALID_PARAMETER;
  const tree = call.tree!;
  call.session!.trees.delete(tree.id);
  await endTree(call.connection.server, tree, Ending.asked);
  encodeEmptyBody(call.w);
  return NtStatus.SUCCESS;
}
