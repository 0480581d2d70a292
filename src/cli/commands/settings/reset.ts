import { contract } from "#api/contract/index.ts";
import type { Verb } from "../../remote/index.ts";

export const reset: Verb = {
  name: "reset",
  aliases: ["delete", "remove"],
  route: contract.settings.reset,
  summary: "Put a setting back to its default.",
  examples: ["dittofs settings reset logging.level"],
  args: [{ name: "<key>", help: "which, as settings list has it" }],
  async run(call) {
    await call.session().call(contract.settings.reset, { params: call.params() });
    call.done(`${call.argument("key")} is back at its default`);
  },
};
