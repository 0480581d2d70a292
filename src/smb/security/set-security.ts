import type { Ace, SecurityDescriptor } from "#model/acl.ts";
import { FsError } from "#model/fs-error.ts";
import { decodeSecurityDescriptor } from "#model/security-descriptor.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import type { Open } from "../open/open.ts";
import { ntStatusOf } from "../status.ts";
import { modeAskedFor, withoutNfsAces } from "../aapl/index.ts";
import { descriptorOf, requested, rightsToSet, SecurityInfo } from "./descriptors.ts";

/** SET_INFO of a security descriptor (MS-SMB2 3.3.5.21.3): the parts that `parts` names, as far as they are there. */
export async function setSecurity(open: Open, parts: number, input: Uint8Array): Promise<number> {
  const needs = rightsToSet(parts);
  if ((open.access & needs) !== needs) return NtStatus.ACCESS_DENIED;
  const decoded = decodeSecurityDescriptor(input);
  if (decoded === null) return NtStatus.INVALID_SECURITY_DESCR;
  if (open.tree.appleClient && (parts & SecurityInfo.dacl) !== 0) return setFromApple(open, parts, decoded);
  return set(open, parts, decoded);
}

/** A list with entries that stand for a mode sets the mode, and what else it says where that is new. */
async function setFromApple(open: Open, parts: number, given: SecurityDescriptor): Promise<number> {
  const { dacl } = given;
  const mode = dacl === null ? null : modeAskedFor(dacl);
  if (dacl === null || mode === null) return set(open, parts, dacl === null ? given : { ...given, dacl: withoutNfsAces(dacl) });
  const fs = open.tree.fs!;
  const inode = await fs.getattr(open.ownerId);
  if (inode instanceof FsError) return ntStatusOf(inode);
  const list = withoutNfsAces(dacl);
  const rest = sameList(list, descriptorOf(inode).dacl) ? parts & ~SecurityInfo.dacl : parts;
  const status = rest === 0 ? NtStatus.SUCCESS : await set(open, rest, { ...given, dacl: list });
  if (status !== NtStatus.SUCCESS || mode === (inode.mode & permissionMask)) return status;
  const done = await fs.setattr(open.credentials(), open.ownerId, { mode: (inode.mode & ~permissionMask) | mode }, null);
  return done instanceof FsError ? ntStatusOf(done) : NtStatus.SUCCESS;
}

const permissionMask = 0o777;

function sameList(one: readonly Ace[], other: readonly Ace[] | null): boolean {
  if (other === null || one.length !== other.length) return false;
  return one.every(({ type, flags, mask, sid }, i) => other[i]!.type === type && other[i]!.flags === flags && other[i]!.mask === mask && other[i]!.sid === sid);
}

async function set(open: Open, parts: number, given: SecurityDescriptor): Promise<number> {
  const request = requested(given, parts);
  if (typeof request === "number") return request;
  const done = await open.tree.fs!.setSecurity(open.credentials(), open.ownerId, request);
  if (!(done instanceof FsError)) return NtStatus.SUCCESS;
  if (done.code === "invalid") return request.owner === undefined && request.group === undefined ? NtStatus.INVALID_ACL : NtStatus.INVALID_OWNER;
  return ntStatusOf(done);
}
