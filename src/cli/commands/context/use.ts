import type { Verb } from "../../remote/index.ts";
import { needContext, shownContext } from "./rows.ts";

export const use: Verb = {
  name: "use",
  local: true,
  summary: "Use another context from now on.",
  examples: ["dittofs context use work"],
  args: [{ name: "<name>", help: "which" }],
  async run(call) {
    const name = call.argument("name");
    const { contexts } = await call.contexts.update((now) => {
      needContext(now, name);
      return { ...now, current: name };
    });
    const saved = needContext({ contexts, current: name }, name);
    const set = call.context.environment["DITTOFS_CONTEXT"];
    if (set && set !== name) call.terminal.err(`warning: DITTOFS_CONTEXT is set to ${set} and goes before it\n`);
    call.done(`using ${name} (${saved.username} at ${saved.server})`, shownContext(name, saved, name));
  },
};
