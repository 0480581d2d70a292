import { isIP } from "node:net";
import { contract, type schemas } from "#api/contract/index.ts";
import type { Verb } from "../../remote/index.ts";

type MemberType = schemas.Netgroup["members"][number]["type"];

export const addMember: Verb = {
  name: "add-member",
  route: contract.netgroups.addMember,
  summary: "Add an address, a network or a host name to a netgroup.",
  examples: ["dittofs netgroup add-member lab --value 192.168.1.0/24", "dittofs netgroup add-member lab --type hostname --value build.example.com"],
  args: [{ name: "<name>", help: "the netgroup" }],
  flags: [
    { flags: "--value <value>", help: "192.168.1.7, 192.168.1.0/24 or build.example.com", field: "value", ask: "Address, network or host name" },
    { flags: "--type <word>", help: "what the value is (default: what it looks like)", field: "type" },
  ],
  async run(call) {
    const { value, type = looksLike(value) } = await call.fields<{ value: string; type?: MemberType }>();
    const netgroup = await call.session().call(contract.netgroups.addMember, { params: call.params(), body: { type, value } });
    call.done(`added the ${type} ${value} to the netgroup ${netgroup.name}`, netgroup);
  },
};

function looksLike(value: string): MemberType {
  if (value.includes("/")) return "cidr";
  return isIP(value) === 0 ? "hostname" : "ip";
}
