import { fileSizeMax } from "#model/ids.ts";
import { NfsStat3, verifierBytes } from "#wire/nfs3.ts";
import { XdrFailure } from "#wire/xdr-reader.ts";
import { answerPlus, ListingBudget } from "./listing.ts";
import { fail, FailureBody, idOf, locate, type Nfs3Settings, procedure, refuse, settle, whoOf } from "./reply.ts";

/** READDIRPLUS (RFC 1813 §3.3.17). */
export const readdirplus = (settings: Nfs3Settings) =>
  procedure("READDIRPLUS", FailureBody.attributes, false, (call, args) => {
    const fs = locate(call, args, settings);
    if (fs === null) return;
    const cookie = args.u64();
    const verifier = args.fixedCopy(verifierBytes);
    const dircount = args.u32();
    const maxcount = args.u32();
    if (args.failure !== XdrFailure.none) return refuse(call, args.failure);
    if (cookie > fileSizeMax) return fail(call, NfsStat3.NFS3ERR_BAD_COOKIE);
    const budget = new ListingBudget(maxcount, dircount, true);
    return settle(call, fs.readdir(whoOf(call), idOf(call), cookie, verifier, true, budget.accept), answerPlus);
  });
