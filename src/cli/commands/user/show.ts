import { contract } from "#api/contract/index.ts";
import type { Verb } from "../../remote/index.ts";

export const show: Verb = {
  name: "show",
  aliases: ["get"],
  route: contract.users.show,
  summary: "Show a user; without a name, who is logged in.",
  examples: ["dittofs user show alice", "dittofs user show -o yaml"],
  args: [{ name: "[username]", help: "whom to show" }],
  async run(call) {
    const me = call.optionalArgument("username") === null;
    call.show(await (me ? call.session().call(contract.auth.me) : call.session().call(contract.users.show, { params: call.params() })));
  },
};
