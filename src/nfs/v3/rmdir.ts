import { nameBytesMax } from "#model/ids.ts";
import { XdrFailure } from "#wire/xdr-reader.ts";
import { answerRemoved } from "./removed.ts";
import { FailureBody, firstName, idOf, locate, type Nfs3Settings, procedure, refuse, whoOf } from "./reply.ts";

/** RMDIR (RFC 1813 §3.3.13). */
export const rmdir = (settings: Nfs3Settings) =>
  procedure("RMDIR", FailureBody.wcc, true, async (call, args) => {
    const fs = locate(call, args, settings);
    if (fs === null) return;
    const name = args.name(nameBytesMax);
    if (args.failure !== XdrFailure.none) return refuse(call, args.failure);
    answerRemoved(call, await fs.rmdir(whoOf(call), idOf(call), name));
  }, firstName);
