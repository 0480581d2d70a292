import { contract } from "#api/contract/index.ts";
import type { Verb } from "../../remote/index.ts";

export const removeUser: Verb = {
  name: "remove-user",
  route: contract.groups.removeMember,
  summary: "Take a user out of a group.",
  examples: ["dittofs group remove-user staff alice"],
  args: [{ name: "<name>", help: "the group" }, { name: "<username>", help: "whom to take out" }],
  async run(call) {
    await call.session().call(contract.groups.removeMember, { params: call.params() });
    call.done(`${call.argument("username")} is in the group ${call.argument("name")} no more`);
  },
};
