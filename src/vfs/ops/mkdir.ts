import type { Credentials } from "#model/credentials.ts";
import type { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import { FileType } from "#model/inode.ts";
import { exists } from "../errors.ts";
import type { MakeOptions } from "../attributed.ts";
import type { AttributeRequest, Created } from "../file-system.ts";
import { untilApplied } from "../operation.ts";
import type { Share } from "../share.ts";
import { make, plainly, type Plan, Taken } from "./make.ts";

const modeDefault = 0o700;

/** Makes an object that nothing may be there instead of: every operation but CREATE. */
export function makeNew(share: Share, who: Credentials, directory: FileId, name: string, plan: Plan): Promise<Created | FsError> {
  return untilApplied(async (attempt) => {
    const made = await make(share, who, directory, name, plan, attempt);
    return made instanceof Taken ? exists : made;
  });
}

/** MKDIR (RFC 1813 §3.3.9). */
export function mkdir(share: Share, who: Credentials, directory: FileId, name: string, request: AttributeRequest, options: MakeOptions = plainly): Promise<Created | FsError> {
  return makeNew(share, who, directory, name, {
    type: FileType.directory,
    mode: modeDefault,
    request,
    verifier: null,
    target: null,
    major: 0,
    minor: 0,
    options,
  });
}
