import { type ErrorCode, commonErrors, tokenErrors } from "./problem.ts";
import { type AnyRoute, none } from "./route.ts";

/** Every code a call of this route can be refused with. */
export function errorsOf(route: AnyRoute): readonly ErrorCode[] {
  const codes = new Set<ErrorCode>([
    ...commonErrors,
    ...(route.role === "anyone" ? [] : tokenErrors),
    ...(route.body === none ? [] : (["unsupported_media_type"] as const)),
    ...(route.ifMatch ? (["changed_meanwhile"] as const) : []),
    ...route.errors,
  ]);
  return [...codes];
}
