import { nameBytesMax } from "#model/ids.ts";
import { XdrFailure } from "#wire/xdr-reader.ts";
import { readAttributeRequest } from "../attributes.ts";
import { answerCreated } from "./created.ts";
import { fail, FailureBody, firstName, idOf, locate, type Nfs3Settings, procedure, refuse, whoOf } from "./reply.ts";

/** MKDIR (RFC 1813 §3.3.9). */
export const mkdir = (settings: Nfs3Settings) =>
  procedure("MKDIR", FailureBody.wcc, true, async (call, args) => {
    const fs = locate(call, args, settings);
    if (fs === null) return;
    const name = args.name(nameBytesMax);
    const request = readAttributeRequest(args);
    if (args.failure !== XdrFailure.none) return refuse(call, args.failure);
    if (typeof request === "number") return fail(call, request);
    answerCreated(call, await fs.mkdir(whoOf(call), idOf(call), name, request));
  }, firstName);
