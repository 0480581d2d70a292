import type { Credentials } from "#model/credentials.ts";
import type { FsError } from "#model/fs-error.ts";
import { type FileId, pathBytesMax } from "#model/ids.ts";
import { FileType } from "#model/inode.ts";
import { invalid, nameTooLong } from "../errors.ts";
import type { MakeOptions } from "../attributed.ts";
import type { AttributeRequest, Created } from "../file-system.ts";
import type { Share } from "../share.ts";
import { plainly } from "./make.ts";
import { makeNew } from "./mkdir.ts";

/** SYMLINK (RFC 1813 §3.3.10). The target is the client's business, but it must be one a client can follow. */
export async function symlink(
  share: Share,
  who: Credentials,
  directory: FileId,
  name: string,
  target: Uint8Array,
  request: AttributeRequest,
  options: MakeOptions = plainly,
): Promise<Created | FsError> {
  if (target.length === 0 || target.includes(0)) return invalid;
  if (target.length > pathBytesMax) return nameTooLong;
  return makeNew(share, who, directory, name, {
    type: FileType.symlink,
    mode: 0o777,
    request,
    verifier: null,
    target: target.slice(),
    major: 0,
    minor: 0,
    options,
  });
}
