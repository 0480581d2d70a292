import { contract } from "#api/contract/index.ts";
import { removes } from "../../remote/index.ts";

export const remove = removes(
  { name: "remove", aliases: ["delete"], route: contract.netgroups.delete, summary: "Delete a netgroup no share lets in.", examples: ["dittofs netgroup remove lab"], args: [{ name: "<name>", help: "which" }] },
  "netgroup",
  "name",
);
