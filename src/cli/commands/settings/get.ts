import { contract } from "#api/contract/index.ts";
import type { Verb } from "../../remote/index.ts";

export const get: Verb = {
  name: "get",
  aliases: ["show"],
  route: contract.settings.show,
  summary: "Print a setting's value.",
  examples: ["dittofs settings get logging.level"],
  args: [{ name: "<key>", help: "which, as settings list has it" }],
  async run(call) {
    const setting = await call.session().call(contract.settings.show, { params: call.params() });
    call.done(setting.value, setting);
  },
};
