import { contract } from "#api/contract/index.ts";
import type { Verb } from "../../remote/index.ts";
import { shareArgument } from "./fields.ts";

export const enable: Verb = {
  name: "enable",
  route: contract.shares.enable,
  summary: "Serve a share again.",
  examples: ["dittofs share enable /projects"],
  args: [shareArgument],
  async run(call) {
    const share = await call.session().call(contract.shares.enable, { params: call.params() });
    call.done(`the share ${share.name} is ${share.state}`, share);
  },
};
