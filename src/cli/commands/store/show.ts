import { contract } from "#api/contract/index.ts";
import { shows, type Verb } from "../../remote/index.ts";
import type { StoreKind } from "./config.ts";

export function show(kind: StoreKind): Verb {
  return shows({ route: contract.stores.show, params: { kind }, summary: `Show a ${kind} store, without its secrets.`, examples: [`dittofs store ${kind} show default`], args: [{ name: "<name>", help: "which" }] });
}
