import { contract } from "#api/contract/index.ts";
import { type Flag, type Verb, withContext, withTokens } from "../../remote/index.ts";

const current: Flag = { flags: "-c, --current <password>", help: "the password so far; better asked for or --password-stdin", ask: "Current password", secret: "current", field: "current_password" };
const next: Flag = { flags: "-n, --new <password>", help: "the new one, 8 characters at least; with --password-stdin the second line", ask: "New password", secret: "new", field: "new_password" };

export const changePassword: Verb = {
  name: "change-password",
  route: contract.users.changeOwnPassword,
  summary: "Change one's own password; one's other sessions end.",
  examples: ["dittofs user change-password", "printf '%s\\n' \"$OLD\" \"$NEW\" | dittofs user change-password --password-stdin"],
  flags: [current, next],
  async run(call) {
    const session = call.session();
    const tokens = await session.call(contract.users.changeOwnPassword, { body: await call.fields() });
    const name = session.contextName;
    await call.contexts.update((now) => {
      const saved = name === null ? undefined : now.contexts[name];
      if (name === null || saved === undefined || saved.server !== session.server || saved.username !== tokens.user.username) return now;
      return withContext(now, name, withTokens(saved, tokens));
    });
    call.done(`changed the password of ${tokens.user.username}`, tokens.user);
  },
};
