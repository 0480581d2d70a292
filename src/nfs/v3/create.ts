import { nameBytesMax } from "#model/ids.ts";
import type { CreateHow } from "#vfs/file-system.ts";
import { CreateMode3, type NfsStat3, verifierBytes } from "#wire/nfs3.ts";
import { XdrFailure, type XdrReader } from "#wire/xdr-reader.ts";
import { readAttributeRequest } from "../attributes.ts";
import { answerCreated } from "./created.ts";
import { fail, FailureBody, firstName, idOf, locate, type Nfs3Settings, procedure, refuse, whoOf } from "./reply.ts";

/** CREATE (RFC 1813 §3.3.8). */
export const create = (settings: Nfs3Settings) =>
  procedure("CREATE", FailureBody.wcc, true, async (call, args) => {
    const fs = locate(call, args, settings);
    if (fs === null) return;
    const name = args.name(nameBytesMax);
    const how = readHow(args);
    if (args.failure !== XdrFailure.none) return refuse(call, args.failure);
    if (typeof how === "number") return fail(call, how);
    // Done again it opens what it made; the first's answer to a later one would tell that a file is empty which was written to.
    call.isSameAgain = how.mode === "unchecked";
    answerCreated(call, await fs.create(whoOf(call), idOf(call), name, how));
  }, firstName);

function readHow(args: XdrReader): CreateHow | NfsStat3 {
  const mode = args.u32();
  if (mode === CreateMode3.EXCLUSIVE) return { mode: "exclusive", verifier: args.fixedCopy(verifierBytes) };
  if (mode > CreateMode3.EXCLUSIVE) args.fail(XdrFailure.garbage);
  const attributes = readAttributeRequest(args);
  if (typeof attributes === "number") return attributes;
  return { mode: mode === CreateMode3.GUARDED ? "guarded" : "unchecked", attributes };
}
