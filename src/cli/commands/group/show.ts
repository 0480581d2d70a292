import { contract } from "#api/contract/index.ts";
import { shows } from "../../remote/index.ts";

export const show = shows({
  route: contract.groups.show,
  summary: "Show a group.",
  examples: ["dittofs group show staff"],
  args: [{ name: "<name>", help: "which" }],
});
