import { contract } from "#api/contract/index.ts";
import { removes } from "../../remote/index.ts";

export const remove = removes(
  {
    route: contract.groups.delete,
    summary: "Delete a group, with its grants. Its members stay.",
    examples: ["dittofs group delete lab"],
    args: [{ name: "<name>", help: "which" }],
  },
  "group",
  "name",
);
