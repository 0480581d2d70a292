import { FailureBody, procedure } from "./reply.ts";

/** NULL (RFC 1813 §3.3.0). */
export const nullProcedure = procedure("NULL", FailureBody.none, false, (call) => {
  call.begin();
  call.end();
});
