import { ApiError } from "#api/client/index.ts";
import { contract } from "#api/contract/index.ts";
import { type Verb, withContext, withoutTokens } from "../../remote/index.ts";

export const logout: Verb = {
  name: "logout",
  summary: "End the log-in and forget its tokens; the context stays, for the next log-in.",
  examples: ["dittofs logout", "dittofs logout --context work"],
  async run(call) {
    const session = call.session();
    if (!session.loggedIn) return call.done(`not logged in to ${session.server}`);
    try {
      await session.call(contract.auth.logout);
    } catch (error) {
      // It has ended already. Of a server that isn't there the tokens are forgotten all the same, and it is said.
      if (!(error instanceof ApiError)) call.terminal.err(`warning: the server was not told: ${(error as Error).message}\n`);
    }
    const name = session.contextName;
    await call.contexts.update((now) => {
      const saved = name === null ? undefined : now.contexts[name];
      return name === null || saved === undefined || saved.server !== session.server ? now : withContext(now, name, withoutTokens(saved));
    });
    call.done(`logged out of ${session.server}`);
  },
};
