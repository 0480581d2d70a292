import { contract } from "#api/contract/index.ts";
import { removes } from "../../remote/index.ts";

export const remove = removes(
  {
    route: contract.users.delete,
    summary: "Delete a user, with their grants and sessions. Files keep the user id as their owner.",
    examples: ["dittofs user delete alice", "dittofs user delete alice --yes"],
    args: [{ name: "<username>", help: "whom to delete" }],
  },
  "user",
  "username",
);
