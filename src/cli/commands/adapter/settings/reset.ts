import { contract } from "#api/contract/index.ts";
import type { Verb } from "../../../remote/index.ts";
import type { AdapterType } from "./show.ts";

export function resetSettings(type: AdapterType): Verb {
  return {
    name: "reset",
    route: contract.adapters.reset,
    params: { type },
    summary: `Put one setting of ${type}, or all, back to the default.`,
    examples: [`dittofs adapter settings ${type} reset --setting max_connections`, `dittofs adapter settings ${type} reset --yes`],
    flags: [{ flags: "--setting <key>", help: "which (default: all)", field: "setting" }],
    confirm: (call) => `Put ${call.text("setting") ?? `all settings of ${type}`} back to the default?`,
    async run(call) {
      const changed = await call.session().call(contract.adapters.reset, { params: { type }, body: await call.fields() });
      call.done(`${call.text("setting") ?? `all settings of ${type}`} back to the default`, changed);
    },
  };
}
