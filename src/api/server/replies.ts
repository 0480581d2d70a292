import { type ErrorCode, type Problem, errorCodes, problemMediaType, problemType } from "#api/contract/problem.ts";
import { DatabaseError } from "#control/database/port.ts";
import { ControlError } from "#control/errors.ts";
import type { Exchange } from "./exchange.ts";
import { limits } from "./limits.ts";
import { Refusal } from "./refusal.ts";

/** What every answer says to browsers: it is data, for nobody else's page, and not to be kept. */
const guards = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
} as const;

type HeaderFields = Record<string, string>;

/** An answer with whatever body it has. */
export function reply(exchange: Exchange, status: number, body: string | Blob | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null, headers: HeaderFields): Response {
  return new Response(body, { status, headers: { ...guards, "x-request-id": exchange.id, ...headers } });
}

export function jsonReply(exchange: Exchange, status: number, body: unknown, headers: HeaderFields): Response {
  return reply(exchange, status, JSON.stringify(body), { "content-type": "application/json", ...headers });
}

/** What went wrong, as the caller and the log are told: nothing of an error nobody expected is shown. */
export function problemOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof ControlError) {
    return new Refusal(error.code, error.message, {
      ...(error.hint === null ? {} : { hint: error.hint }),
      ...(error.fields.length === 0 ? {} : { fields: error.fields }),
      ...(error.retryAfterSec === null ? {} : { retryAfterSec: error.retryAfterSec }),
    });
  }
  // Its message names the database server: that is for the log.
  if (error instanceof DatabaseError) return new Refusal("unavailable", "The control-plane database does not answer.", { hint: "Files are served as before. Try again; the server's log says more." });
  return new Refusal("internal", "Something went wrong in the server. The request may or may not have taken effect.", { hint: "Look for the request's id in the server's log." });
}

const comeBack: readonly ErrorCode[] = ["busy", "too_many_attempts", "unavailable", "store_unreachable"];
const challenges: Partial<Record<ErrorCode, string>> = {
  unauthenticated: "Bearer",
  token_expired: 'Bearer error="invalid_token", error_description="expired"',
  invalid_token: 'Bearer error="invalid_token"',
  wrong_credentials: "Bearer",
};

/** A problem document (RFC 9457). */
export function problemReply(exchange: Exchange, refusal: Refusal): Response {
  const { code, message, more } = refusal;
  const { status, title } = errorCodes[code];
  const problem: Problem = {
    type: problemType(code),
    title,
    status,
    detail: message,
    instance: `urn:dittofs:request:${exchange.id}`,
    code,
    ...(more.hint === undefined ? {} : { hint: more.hint }),
    ...(more.fields === undefined ? {} : { errors: more.fields.slice(0, limits.fieldProblemsMax).map(({ field, message: text }) => ({ field, message: text })) }),
    ...(more.health === undefined ? {} : { health: more.health }),
  };
  const headers: HeaderFields = { "content-type": problemMediaType, ...more.headers };
  const wait = more.retryAfterSec ?? (comeBack.includes(code) ? limits.retryAfterSec : null);
  if (wait !== null) headers["retry-after"] = String(Math.max(1, Math.ceil(wait)));
  const challenge = challenges[code];
  if (challenge !== undefined) headers["www-authenticate"] = challenge;
  return reply(exchange, status, JSON.stringify(problem), headers);
}
