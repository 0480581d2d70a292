import { nameBytesMax, pathBytesMax } from "#model/ids.ts";
import { NfsStat3 } from "#wire/nfs3.ts";
import { XdrFailure } from "#wire/xdr-reader.ts";
import { readAttributeRequest } from "../attributes.ts";
import { answerCreated } from "./created.ts";
import { fail, FailureBody, firstName, idOf, locate, type Nfs3Settings, procedure, refuse, whoOf } from "./reply.ts";

/** SYMLINK (RFC 1813 §3.3.10). The target is the client's business: kept as its bytes, but for NUL, which no path has. */
export const symlink = (settings: Nfs3Settings) =>
  procedure("SYMLINK", FailureBody.wcc, true, async (call, args) => {
    const fs = locate(call, args, settings);
    if (fs === null) return;
    const name = args.name(nameBytesMax);
    const request = readAttributeRequest(args);
    const target = args.opaqueSlices(0xffffffff);
    if (args.failure !== XdrFailure.none) return refuse(call, args.failure);
    if (typeof request === "number") return fail(call, request);
    if (args.opaqueLength > pathBytesMax) return fail(call, NfsStat3.NFS3ERR_NAMETOOLONG);
    const bytes = new Uint8Array(Buffer.concat(target));
    if (bytes.includes(0)) return fail(call, NfsStat3.NFS3ERR_INVAL);
    answerCreated(call, await fs.symlink(whoOf(call), idOf(call), name, bytes, request));
  }, firstName);
