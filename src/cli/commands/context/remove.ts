import type { Verb } from "../../remote/index.ts";
import { withContext } from "../../remote/index.ts";
import { needContext } from "./rows.ts";

export const remove: Verb = {
  name: "remove",
  aliases: ["delete"],
  local: true,
  summary: "Forget a server and the log-in to it. The session itself ends with dittofs logout, or by itself.",
  examples: ["dittofs context remove work"],
  args: [{ name: "<name>", help: "which" }],
  confirm: (call) => `Forget the context ${call.argument("name")}?`,
  async run(call) {
    const name = call.argument("name");
    await call.contexts.update((now) => {
      needContext(now, name);
      return withContext(now, name, null);
    });
    call.done(`removed the context ${name}`);
  },
};
