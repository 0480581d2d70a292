import { FsError } from "#model/fs-error.ts";
import { nameBytesMax } from "#model/ids.ts";
import { NfsStat3, postOpAttrBytes, wccDataBytes } from "#wire/nfs3.ts";
import { XdrFailure } from "#wire/xdr-reader.ts";
import { writeChange, writePostOp } from "../attributes.ts";
import { failWith, FailureBody, idOf, locate, locateOther, type Nfs3Settings, otherIdOf, procedure, refuse, whoOf } from "./reply.ts";

/** LINK (RFC 1813 §3.3.15). */
export const link = (settings: Nfs3Settings) =>
  procedure("LINK", FailureBody.attributesThenWcc, true, async (call, args) => {
    const fs = locate(call, args, settings);
    if (fs === null || !locateOther(call, args, settings)) return;
    const name = args.name(nameBytesMax);
    if (args.failure !== XdrFailure.none) return refuse(call, args.failure);
    const result = await fs.link(whoOf(call), idOf(call), otherIdOf(call), name);
    if (result instanceof FsError) return failWith(call, result);
    const w = call.begin();
    w.reserve(4 + postOpAttrBytes + wccDataBytes);
    w.u32(NfsStat3.NFS3_OK);
    writePostOp(w, result.inode, call.view);
    writeChange(w, result.directory, call.view);
    call.end();
  }, [1]);
