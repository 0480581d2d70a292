import { contract } from "#api/contract/index.ts";
import { facts, type Verb } from "../../remote/index.ts";

export const show: Verb = {
  name: "show",
  aliases: ["get"],
  route: contract.netgroups.show,
  summary: "Show a netgroup, its host names resolved.",
  examples: ["dittofs netgroup show lab"],
  args: [{ name: "<name>", help: "which" }],
  async run(call) {
    const netgroup = await call.session().call(contract.netgroups.show, { params: call.params() });
    if (call.format !== "table") return call.show(netgroup);
    const { members, ...rest } = netgroup;
    call.terminal.out(`${facts(rest)}\n`);
    call.list(members, [
      ["MEMBER ID", (member) => member.id],
      ["TYPE", (member) => member.type],
      ["VALUE", (member) => member.value],
      ["ADDRESSES", (member) => member.addresses],
    ]);
  },
};
