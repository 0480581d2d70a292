import { profileSeconds, type profiles } from "#api/contract/routes/server.ts";
import { ControlError } from "#control/errors.ts";
import type { Handlers, Services } from "../handler.ts";

export function profilesHandlers({ profiles: taker }: Services) {
  return {
    take: async ({ params, query }) => {
      const profile = await taker.take(params.type, query.seconds ?? profileSeconds.default);
      if (profile !== null) return { body: profile };
      const retryAfterSec = Math.max(1, Math.ceil(taker.busySec));
      throw new ControlError("busy", "A profile is being taken already; there is one at a time.", { hint: `Try again in ${retryAfterSec} s.`, retryAfterSec });
    },
  } satisfies Handlers<typeof profiles>;
}
