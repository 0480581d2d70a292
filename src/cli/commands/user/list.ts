import { contract } from "#api/contract/index.ts";
import { lists } from "../../remote/index.ts";

export const list = lists(
  {
    route: contract.users.list,
    summary: "List the users.",
    examples: ["dittofs user list", "dittofs user list --role admin -o json"],
    flags: [
      { flags: "--role <role>", help: "those with this role alone", field: "role" },
      { flags: "--enabled [boolean]", help: "those that may log in alone; false: those that may not", field: "enabled" },
      { flags: "--search <text>", help: "those with this in their names alone", field: "search" },
    ],
  },
  [
    ["USERNAME", (user) => user.username],
    ["UID", (user) => user.uid],
    ["GID", (user) => user.gid],
    ["ROLE", (user) => user.role],
    ["ENABLED", (user) => user.enabled],
    ["GROUPS", (user) => user.groups],
    ["NAME", (user) => user.display_name],
  ],
);
