import type { AnyRoute, Required } from "#api/contract/route.ts";
import type { Role } from "#control/nouns.ts";
import type { Caller, Logins } from "#control/services.ts";
import { limits } from "./limits.ts";
import { Refusal } from "./refusal.ts";

const rank: Readonly<Record<Role, number>> = { user: 1, operator: 2, admin: 3 };

function tokenOf(request: Request): string {
  const header = request.headers.get("authorization");
  if (header === null) throw new Refusal("unauthenticated", "This call needs a token.", { hint: "Log in at /api/v1/auth/login and send its access_token: Authorization: Bearer …" });
  const token = /^Bearer +([A-Za-z0-9._~+/=-]+) *$/i.exec(header)?.[1];
  if (token === undefined || token.length > limits.tokenBytesMax) throw new Refusal("invalid_token", "The Authorization header holds no bearer token.");
  return token;
}

/** Whom a request's token speaks for. */
export function callerOfRequest(request: Request, logins: Logins): Promise<Caller> {
  return logins.authenticate(tokenOf(request));
}

/** Refuses a caller that may not make this call: deny by default, in one place. */
export function admit(route: AnyRoute, caller: Caller, params: Readonly<Record<string, unknown>>): void {
  const { user } = caller;
  if (user.mustChangePassword && !route.beforePasswordChange) {
    throw new Refusal("password_change_required", "You have to change your password first.", { hint: "POST /api/v1/users/me/password with current_password and new_password." });
  }
  const required = route.role as Exclude<Required, "anyone">;
  if ((rank[user.role] ?? 0) >= rank[required]) return;
  if (route.self !== null && params[route.self] === user.name) return;
  throw new Refusal("forbidden", `This call takes the role ${required}; ${user.name} has the role ${user.role}.`);
}
