import { contract } from "#api/contract/index.ts";
import { removes } from "../../remote/index.ts";
import { adapterArgument } from "./columns.ts";

export const remove = removes(
  { route: contract.adapters.delete, summary: "Stop an adapter and forget its settings; adapter enable brings it back with the defaults.", examples: ["dittofs adapter delete nfs"], args: [adapterArgument] },
  "adapter",
  "type",
  "Every client of it is cut off, and its settings are forgotten.",
);
