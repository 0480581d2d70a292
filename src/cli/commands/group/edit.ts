import { contract } from "#api/contract/index.ts";
import { changes } from "../../remote/index.ts";

export const edit = changes(
  {
    route: contract.groups.edit,
    summary: "Change a group; what no flag names stays.",
    examples: ["dittofs group edit staff --description 'All who work here'"],
    args: [{ name: "<name>", help: "which" }],
    flags: [
      { flags: "--gid <number>", help: "the group id on NFS", field: "gid" },
      { flags: "--description <text>", help: "what it is for", field: "description" },
    ],
  },
  (group) => `changed the group ${group.name}`,
);
