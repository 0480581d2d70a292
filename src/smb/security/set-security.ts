import { FsError } from "#model/fs-error.ts";
import { decodeSecurityDescriptor } from "#model/security-descriptor.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import type { Open } from "../open/open.ts";
import { ntStatusOf } from "../status.ts";
import { requested, rightsToSet } from "./descriptors.ts";

/** SET_INFO of a security descriptor (MS-SMB2 3.3.5.21.3): the parts that `parts` names, as far as they are there. */
export async function setSecurity(open: Open, parts: number, input: Uint8Array): Promise<number> {
  const needs = rightsToSet(parts);
  if ((open.access & needs) !== needs) return NtStatus.ACCESS_DENIED;
  const given = decodeSecurityDescriptor(input);
  if (given === null) return NtStatus.INVALID_SECURITY_DESCR;
  const request = requested(given, parts);
  if (typeof request === "number") return request;
  const done = await open.tree.fs!.setSecurity(open.credentials(), open.ownerId, request);
  if (!(done instanceof FsError)) return NtStatus.SUCCESS;
  if (done.code === "invalid") return request.owner === undefined && request.group === undefined ? NtStatus.INVALID_ACL : NtStatus.INVALID_OWNER;
  return ntStatusOf(done);
}
