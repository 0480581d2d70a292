import { list } from "./listing.ts";
import { FailureBody, type Nfs3Settings, procedure } from "./reply.ts";

/** READDIR (RFC 1813 §3.3.16). */
export const readdir = (settings: Nfs3Settings) =>
  procedure("READDIR", FailureBody.attributes, false, (call, args) => list(call, args, settings, false));
