import { contract } from "#api/contract/index.ts";
import { lists } from "../../remote/index.ts";

export const list = lists({ route: contract.netgroups.list, summary: "List the netgroups.", examples: ["dittofs netgroup list"] }, [
  ["NAME", (netgroup) => netgroup.name],
  ["MEMBERS", (netgroup) => netgroup.members.map((member) => member.value)],
  ["USED BY", (netgroup) => netgroup.used_by],
  ["DESCRIPTION", (netgroup) => netgroup.description],
]);
