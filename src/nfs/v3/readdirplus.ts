import { list } from "./listing.ts";
import { FailureBody, type Nfs3Settings, procedure } from "./reply.ts";

/** READDIRPLUS (RFC 1813 §3.3.17). */
export const readdirplus = (settings: Nfs3Settings) =>
  procedure("READDIRPLUS", FailureBody.attributes, false, (call, args) => list(call, args, settings, true));
