import type { Verb } from "../../remote/index.ts";
import { currentName, needContext, shownContext } from "./rows.ts";

export const current: Verb = {
  name: "current",
  local: true,
  summary: "Say which context is in use.",
  examples: ["dittofs context current", "dittofs context current -o json"],
  async run(call) {
    const now = call.contexts.read();
    const name = currentName(call, now);
    const shown = shownContext(name, needContext(now, name), name);
    call.done(`${name} (${shown.username} at ${shown.server}${shown.logged_in ? "" : ", logged out"})`, shown);
  },
};
