import { contract } from "#api/contract/index.ts";
import { lists, type Verb } from "../../remote/index.ts";
import type { StoreKind } from "./config.ts";

export function list(kind: StoreKind): Verb {
  return lists(
    {
      route: contract.stores.list,
      params: { kind },
      summary: `List the ${kind} stores.`,
      examples: [`dittofs store ${kind} list`],
      flags: [{ flags: "--type <type>", help: "those of this type alone", field: "type" }],
    },
    [
      ["NAME", (store) => store.name],
      ["TYPE", (store) => store.type],
      ["CONFIGURATION", (store) => store.config],
      ["USED BY", (store) => store.used_by],
    ],
  );
}
