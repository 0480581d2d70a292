import type { auth } from "#api/contract/routes/access.ts";
import type { Tokens } from "#api/contract/schemas.ts";
import type { TokenPair } from "#control/services.ts";
import { type Handlers, type Services, callerOf } from "../handler.ts";
import { userView, when } from "../views.ts";

export function tokensView(pair: TokenPair): Tokens {
  return {
    access_token: pair.accessToken,
    refresh_token: pair.refreshToken,
    token_type: "Bearer",
    expires_in: pair.expiresInSec,
    expires_at: when(pair.expiresAt),
    must_change_password: pair.user.mustChangePassword,
    user: userView(pair.user),
  };
}

export function authHandlers({ control }: Services) {
  const { logins } = control;
  return {
    login: async ({ body, address }) => ({ body: tokensView(await logins.login(body.username, body.password, address)) }),
    refresh: async ({ body, address }) => ({ body: tokensView(await logins.refresh(body.refresh_token, address)) }),
    logout: (call) => logins.logout(callerOf(call)),
    me: (call) => {
      const { user } = callerOf(call);
      return { body: userView(user), version: user.version };
    },
  } satisfies Handlers<typeof auth>;
}
