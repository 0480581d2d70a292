import { contract } from "#api/contract/index.ts";
import { creates } from "../../remote/index.ts";

export const create = creates(
  {
    route: contract.netgroups.create,
    summary: "Create a netgroup: clients under one name, for shares to let in.",
    examples: ["dittofs netgroup create --name lab --description 'The lab on the second floor'"],
    flags: [
      { flags: "--name <name>", help: "its name", field: "name", ask: "Name" },
      { flags: "--description <text>", help: "what it is for", field: "description" },
    ],
  },
  (netgroup) => `created the netgroup ${netgroup.name}`,
);
