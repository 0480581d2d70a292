import { contract } from "#api/contract/index.ts";
import { creates } from "../../remote/index.ts";

export const create = creates(
  {
    route: contract.groups.create,
    summary: "Create a group.",
    examples: ["dittofs group create --name staff", "dittofs group create --name lab --gid 2000 --description 'The lab on the second floor'"],
    flags: [
      { flags: "--name <name>", help: "its name", field: "name", ask: "Name" },
      { flags: "--gid <number>", help: "the group id on NFS (default: the next one free)", field: "gid" },
      { flags: "--description <text>", help: "what it is for", field: "description" },
    ],
  },
  (group) => `created the group ${group.name} (gid ${group.gid})`,
);
