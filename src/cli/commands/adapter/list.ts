import { contract } from "#api/contract/index.ts";
import { lists } from "../../remote/index.ts";
import { adapterColumns } from "./columns.ts";

export const list = lists({ route: contract.adapters.list, summary: "List the protocols, their ports and whether they run.", examples: ["dittofs adapter list"] }, adapterColumns);
