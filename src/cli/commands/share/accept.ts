import { contract } from "#api/contract/index.ts";
import type { Verb } from "../../remote/index.ts";
import { shareArgument } from "./fields.ts";

export const accept: Verb = {
  name: "accept",
  route: contract.shares.accept,
  summary: "Go on with what the server has in the place of a share whose files are lost, an empty tree maybe. Only where neither the disk nor a backup comes back.",
  examples: ["dittofs share accept /projects", "dittofs share accept /projects --yes"],
  args: [shareArgument],
  confirm: (call) => `Serve whatever this server has in the place of ${call.argument("share")}, an EMPTY share if it has nothing? Its former files are not found again under this name.`,
  async run(call) {
    const share = await call.session().call(contract.shares.accept, { params: call.params() });
    call.done(`the share ${share.name} is ${share.state}${share.error === null ? "" : `: ${share.error}`}`, share);
  },
};
