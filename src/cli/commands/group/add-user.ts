import { contract } from "#api/contract/index.ts";
import type { Verb } from "../../remote/index.ts";

export const addUser: Verb = {
  name: "add-user",
  route: contract.groups.addMember,
  summary: "Put a user into a group.",
  examples: ["dittofs group add-user staff alice"],
  args: [{ name: "<name>", help: "the group" }, { name: "<username>", help: "whom to put in" }],
  async run(call) {
    const username = call.argument("username");
    await call.session().call(contract.groups.addMember, { params: call.params(), body: { username } });
    call.done(`${username} is in the group ${call.argument("name")} now`);
  },
};
