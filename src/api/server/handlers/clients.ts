import type { clients } from "#api/contract/routes/server.ts";
import { ControlError } from "#control/errors.ts";
import type { ClientInfo, MountInfo } from "#control/runtime.ts";
import type { Handlers, Services } from "../handler.ts";
import { type Orders, pageOf } from "../paging.ts";
import { shareNameOf } from "../share-access.ts";
import { clientView, mountView } from "../views.ts";

export const mountOrders: Orders<"client" | "share" | "mounted_at", MountInfo> = {
  client: (mount) => mount.client,
  share: (mount) => mount.share,
  mounted_at: (mount) => mount.mountedAt,
};

const clientOrders: Orders<"address" | "connected_at" | "requests", ClientInfo> = {
  address: (client) => client.address,
  connected_at: (client) => client.connectedAt,
  requests: (client) => client.requests,
};

export function clientsHandlers({ runtime }: Services) {
  return {
    mounts: ({ query }) => {
      const share = query.share === undefined ? null : shareNameOf(query.share);
      const mounts = runtime.mounts().filter((mount) => (query.protocol === undefined || mount.protocol === query.protocol) && (share === null || mount.share === share));
      return { body: pageOf(mounts, query, mountOrders, mountView) };
    },
    list: ({ query }) => {
      const share = query.share === undefined ? null : shareNameOf(query.share);
      const connected = runtime.clients().filter((client) => (query.protocol === undefined || client.protocol === query.protocol) && (share === null || client.shares.includes(share)));
      return { body: pageOf(connected, query, clientOrders, clientView) };
    },
    disconnect: ({ params }) => {
      if (!runtime.disconnect(params.id)) throw new ControlError("not_found", `No client has the id ${params.id}.`, { hint: "It may have left. GET /api/v1/clients lists those that are connected." });
    },
  } satisfies Handlers<typeof clients>;
}
