import { contract } from "#api/contract/index.ts";
import type { Verb } from "../../remote/index.ts";

export const set: Verb = {
  name: "set",
  aliases: ["edit"],
  route: contract.settings.set,
  summary: "Set a setting; it takes effect at once.",
  examples: ["dittofs settings set logging.level debug", "dittofs settings set audit.keep_days 90"],
  args: [{ name: "<key>", help: "which, as settings list has it" }, { name: "<value>", help: "what to" }],
  async run(call) {
    const setting = await call.session().call(contract.settings.set, { params: call.params(), body: { value: call.argument("value") } });
    call.done(`${setting.key} is ${setting.value} now`, setting);
  },
};
