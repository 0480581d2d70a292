import { fileSizeMax } from "#model/ids.ts";
import { NfsStat3, verifierBytes } from "#wire/nfs3.ts";
import { XdrFailure } from "#wire/xdr-reader.ts";
import { answerNames, ListingBudget } from "./listing.ts";
import { fail, FailureBody, idOf, locate, type Nfs3Settings, procedure, refuse, settle, whoOf } from "./reply.ts";

/** READDIR (RFC 1813 §3.3.16). */
export const readdir = (settings: Nfs3Settings) =>
  procedure("READDIR", FailureBody.attributes, false, (call, args) => {
    const fs = locate(call, args, settings);
    if (fs === null) return;
    const cookie = args.u64();
    const verifier = args.fixedCopy(verifierBytes);
    const count = args.u32();
    if (args.failure !== XdrFailure.none) return refuse(call, args.failure);
    if (cookie > fileSizeMax) return fail(call, NfsStat3.NFS3ERR_BAD_COOKIE);
    const budget = new ListingBudget(count, Number.POSITIVE_INFINITY, false);
    return settle(call, fs.readdir(whoOf(call), idOf(call), cookie, verifier, false, budget.accept), answerNames);
  });
