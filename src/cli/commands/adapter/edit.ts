import { contract } from "#api/contract/index.ts";
import { changes } from "../../remote/index.ts";
import { adapterArgument, adapterState } from "./columns.ts";

export const edit = changes(
  {
    route: contract.adapters.edit,
    summary: "Move an adapter to another port, or enable or disable it. Clients on the old port are cut off.",
    examples: ["dittofs adapter edit nfs --port 2049"],
    args: [adapterArgument],
    flags: [
      { flags: "--port <number>", help: "the port to listen on", field: "port" },
      { flags: "--enabled [boolean]", help: "whether it is served", field: "enabled" },
    ],
  },
  adapterState,
);
