import { Time } from "#base/time.ts";
import { FsError } from "#model/fs-error.ts";
import { NfsStat3, wccDataBytes } from "#wire/nfs3.ts";
import { XdrFailure } from "#wire/xdr-reader.ts";
import { readAttributeRequest, writeChange } from "../attributes.ts";
import { fail, failWith, FailureBody, idOf, locate, type Nfs3Settings, procedure, refuse, whoOf } from "./reply.ts";

/** SETATTR (RFC 1813 §3.3.2). */
export const setattr = (settings: Nfs3Settings) =>
  procedure("SETATTR", FailureBody.wcc, true, async (call, args) => {
    const fs = locate(call, args, settings);
    if (fs === null) return;
    const request = readAttributeRequest(args);
    const guard = args.bool() ? new Time(args.u32(), args.u32()) : null;
    if (args.failure !== XdrFailure.none) return refuse(call, args.failure);
    if (typeof request === "number") return fail(call, request);
    // What it does itself changes the time that the guard is compared with.
    call.mayComeBack = guard === null;
    const result = await fs.setattr(whoOf(call), idOf(call), request, guard);
    if (result instanceof FsError) return failWith(call, result);
    const w = call.begin();
    w.reserve(4 + wccDataBytes);
    w.u32(NfsStat3.NFS3_OK);
    writeChange(w, result, call.view);
    call.end();
  });
