import { contract } from "#api/contract/index.ts";
import { removes, type Verb } from "../../remote/index.ts";
import type { StoreKind } from "./config.ts";

export function remove(kind: StoreKind): Verb {
  return removes(
    {
      name: "remove",
      aliases: ["delete"],
      route: contract.stores.delete,
      params: { kind },
      summary: `Take a ${kind} store that no share uses off the list. What it holds stays.`,
      examples: [`dittofs store ${kind} remove old`],
      args: [{ name: "<name>", help: "which" }],
    },
    `${kind} store`,
    "name",
    "What it holds stays.",
  );
}
