import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import { FileType } from "#model/inode.ts";
import { changerOf } from "../access/permissions.ts";
import { notPermitted } from "../errors.ts";
import type { AttributeRequest, Created, NodeKind } from "../file-system.ts";
import type { Share } from "../share.ts";
import { plainly } from "./make.ts";
import { makeNew } from "./mkdir.ts";

const modeDefault = 0o600;

/** MKNOD (RFC 1813 §3.3.11). A device is a way around every permission of the client's machine: only the superuser makes one. */
export async function mknod(
  share: Share,
  who: Credentials,
  directory: FileId,
  name: string,
  kind: NodeKind,
  request: AttributeRequest,
): Promise<Created | FsError> {
  const changer = changerOf(share.policy, who);
  if (changer instanceof FsError) return changer;
  const device = kind.type === FileType.block || kind.type === FileType.character ? kind : null;
  if (device !== null && !who.superuser) return notPermitted;
  return makeNew(share, who, directory, name, {
    type: kind.type,
    mode: modeDefault,
    request,
    verifier: null,
    target: null,
    major: device?.major ?? 0,
    minor: device?.minor ?? 0,
    options: plainly,
  });
}
