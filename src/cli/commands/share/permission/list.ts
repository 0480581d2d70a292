import { contract } from "#api/contract/index.ts";
import { lists } from "../../../remote/index.ts";
import { shareArgument } from "../fields.ts";

export const list = lists(
  {
    route: contract.permissions.list,
    summary: "List the grants on a share.",
    examples: ["dittofs share permission list /projects"],
    args: [shareArgument],
    flags: [{ flags: "--type <word>", help: "those of users, or of groups, alone", field: "type" }],
  },
  [
    ["TYPE", (grant) => grant.type],
    ["NAME", (grant) => grant.name],
    ["LEVEL", (grant) => grant.level],
  ],
);
