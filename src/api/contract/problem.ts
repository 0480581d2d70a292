import { type Static, Type } from "@sinclair/typebox";

/** Every `code` a problem document can have: stable, for programs. Each has its HTTP status and title here and nowhere else. */
export const errorCodes = {
  invalid_request: { status: 400, title: "The request is not what this call takes" },
  unauthenticated: { status: 401, title: "Log in first" },
  token_expired: { status: 401, title: "The access token has expired" },
  invalid_token: { status: 401, title: "This token is not good here" },
  wrong_credentials: { status: 401, title: "Wrong user name or password" },
  forbidden: { status: 403, title: "Your role does not allow this" },
  password_change_required: { status: 403, title: "Change your password first" },
  not_found: { status: 404, title: "There is no such thing" },
  method_not_allowed: { status: 405, title: "This path does not take that method" },
  already_exists: { status: 409, title: "There is one of that name already" },
  in_use: { status: 409, title: "It is in use" },
  conflict: { status: 409, title: "That does not go with how things are" },
  data_exists: { status: 409, title: "Data of an earlier share of that name is still there" },
  changed_meanwhile: { status: 412, title: "Somebody changed it since you read it" },
  too_large: { status: 413, title: "The request is too large" },
  misdirected: { status: 421, title: "This server is not known by that name" },
  unsupported_media_type: { status: 415, title: "The body must be JSON" },
  invalid_value: { status: 422, title: "A value is not allowed" },
  too_many_attempts: { status: 429, title: "Too many log-in attempts" },
  busy: { status: 429, title: "Too much of this at once" },
  internal: { status: 500, title: "The server failed; its log says how" },
  unavailable: { status: 503, title: "Not available now" },
  store_unreachable: { status: 503, title: "The store does not answer" },
  no_progress: { status: 504, title: "It made no progress" },
} as const;
export type ErrorCode = keyof typeof errorCodes;

/** RFC 9457 §3. */
export const problemMediaType = "application/problem+json";
/** `type` of a problem document. */
export const problemType = (code: ErrorCode): string => `urn:dittofs:problem:${code}`;

/** What any call can answer. */
export const commonErrors: readonly ErrorCode[] = ["invalid_request", "too_large", "misdirected", "internal", "unavailable"];
/** What any call that needs a token can answer, too. */
export const tokenErrors: readonly ErrorCode[] = ["unauthenticated", "token_expired", "invalid_token", "forbidden", "password_change_required"];

/** What is wrong with one field; `field` is a path such as `settings.max_read_size`. */
export const FieldProblem = Type.Object({ field: Type.String(), message: Type.String() });

/** RFC 9457, with a stable `code`, a `hint` that says what to do, and the fields that are wrong. */
export const Problem = Type.Object({
  type: Type.String(),
  title: Type.String(),
  status: Type.Integer(),
  detail: Type.String(),
  instance: Type.String(),
  code: Type.String(),
  hint: Type.Optional(Type.String()),
  errors: Type.Optional(Type.Array(FieldProblem)),
  /** Of a health check that failed: what was found. */
  health: Type.Optional(Type.Unknown()),
});
export type Problem = Static<typeof Problem>;
