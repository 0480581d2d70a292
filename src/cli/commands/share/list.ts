import { contract } from "#api/contract/index.ts";
import { lists } from "../../remote/index.ts";

export const list = lists(
  {
    route: contract.shares.list,
    summary: "List the shares.",
    examples: ["dittofs share list", "dittofs share list --deleted"],
    flags: [
      { flags: "--enabled [boolean]", help: "those that are served alone; false: those that are not", field: "enabled" },
      { flags: "--deleted [boolean]", help: "those whose data waits to be purged, instead", field: "deleted" },
      { flags: "--search <text>", help: "those with this in their names alone", field: "search" },
    ],
  },
  [
    ["NAME", (share) => share.name],
    ["STATE", (share) => share.state],
    ["METADATA", (share) => share.metadata],
    ["BLOCKS", (share) => share.blocks],
    ["DURABILITY", (share) => `${share.durability}${share.volatile ? ", volatile" : ""}`],
    ["ACCESS", (share) => (share.read_only ? "read-only" : "read-write")],
    ["DEFAULT", (share) => share.default_permission],
    ["OPEN TO", (share) => share.effective_clients],
  ],
);
