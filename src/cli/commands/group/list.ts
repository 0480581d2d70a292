import { contract } from "#api/contract/index.ts";
import { lists } from "../../remote/index.ts";

export const list = lists(
  {
    route: contract.groups.list,
    summary: "List the groups.",
    examples: ["dittofs group list", "dittofs group list --sort gid"],
    flags: [{ flags: "--search <text>", help: "those with this in their names alone", field: "search" }],
  },
  [
    ["NAME", (group) => group.name],
    ["GID", (group) => group.gid],
    ["MEMBERS", (group) => group.members],
    ["DESCRIPTION", (group) => group.description],
  ],
);
