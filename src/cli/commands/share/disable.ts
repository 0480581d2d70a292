import { contract } from "#api/contract/index.ts";
import type { Verb } from "../../remote/index.ts";
import { shareArgument } from "./fields.ts";

export const disable: Verb = {
  name: "disable",
  route: contract.shares.disable,
  summary: "Refuse requests to a share until it is enabled again; its data stays.",
  examples: ["dittofs share disable /projects"],
  args: [shareArgument],
  async run(call) {
    const share = await call.session().call(contract.shares.disable, { params: call.params() });
    call.done(`the share ${share.name} is ${share.state}`, share);
  },
};
