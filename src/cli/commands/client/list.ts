import { contract } from "#api/contract/index.ts";
import { approximateSize, lists } from "../../remote/index.ts";

export const list = lists(
  {
    route: contract.clients.list,
    summary: "List who is connected.",
    examples: ["dittofs client list", "dittofs client list --share /export --sort -requests"],
    flags: [
      { flags: "--protocol <word>", help: "clients of this protocol alone", field: "protocol" },
      { flags: "--share <share>", help: "clients that use this share alone", field: "share" },
    ],
  },
  [
    ["ID", (client) => client.id],
    ["PROTOCOL", (client) => client.protocol],
    ["ADDRESS", (client) => client.address],
    ["USER", (client) => client.user],
    ["SHARES", (client) => client.shares],
    ["CONNECTED", (client) => client.connected_at],
    ["LAST SEEN", (client) => client.last_seen_at],
    ["REQUESTS", (client) => client.requests],
    ["IN", (client) => approximateSize(client.bytes_in)],
    ["OUT", (client) => approximateSize(client.bytes_out)],
  ],
);
