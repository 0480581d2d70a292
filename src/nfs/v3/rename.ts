import { FsError } from "#model/fs-error.ts";
import { nameBytesMax } from "#model/ids.ts";
import { NfsStat3, wccDataBytes } from "#wire/nfs3.ts";
import { XdrFailure } from "#wire/xdr-reader.ts";
import { writeChange } from "../attributes.ts";
import { failWith, FailureBody, idOf, locate, locateOther, type Nfs3Settings, otherIdOf, procedure, refuse, whoOf } from "./reply.ts";

/** RENAME (RFC 1813 §3.3.14). */
export const rename = (settings: Nfs3Settings) =>
  procedure("RENAME", FailureBody.wccThenWcc, true, async (call, args) => {
    const fs = locate(call, args, settings);
    if (fs === null) return;
    const fromName = args.name(nameBytesMax);
    if (args.failure !== XdrFailure.none) return refuse(call, args.failure);
    if (!locateOther(call, args, settings)) return;
    const toName = args.name(nameBytesMax);
    if (args.failure !== XdrFailure.none) return refuse(call, args.failure);
    const result = await fs.rename(whoOf(call), idOf(call), fromName, otherIdOf(call), toName);
    if (result instanceof FsError) return failWith(call, result);
    const w = call.begin();
    w.reserve(4 + 2 * wccDataBytes);
    w.u32(NfsStat3.NFS3_OK);
    writeChange(w, result.from, call.view);
    writeChange(w, result.to, call.view);
    call.end();
  }, [0, 2]);
