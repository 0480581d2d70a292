import { contract } from "#api/contract/index.ts";
import { shows } from "../../remote/index.ts";
import { shareArgument } from "./fields.ts";

export const show = shows({ route: contract.shares.show, summary: "Show a share.", examples: ["dittofs share show /export", "dittofs share show /export -o yaml"], args: [shareArgument] });
