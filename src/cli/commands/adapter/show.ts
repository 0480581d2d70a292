import { contract } from "#api/contract/index.ts";
import { shows } from "../../remote/index.ts";
import { adapterArgument } from "./columns.ts";

export const show = shows({ route: contract.adapters.show, summary: "Show an adapter.", examples: ["dittofs adapter show nfs"], args: [adapterArgument] });
