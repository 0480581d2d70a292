import type { netgroups } from "#api/contract/routes/server.ts";
import type { Netgroup as Shown } from "#api/contract/schemas.ts";
import type { Netgroup } from "#control/nouns.ts";
import type { Answer, Handlers, Services } from "../handler.ts";
import { type Orders, pageOf } from "../paging.ts";
import { netgroupView } from "../views.ts";

const orders: Orders<"name" | "created_at", Netgroup> = { name: (netgroup) => netgroup.name, created_at: (netgroup) => netgroup.createdAt };

const shown = (netgroup: Netgroup): Answer<Shown> => ({ body: netgroupView(netgroup), version: netgroup.version });
const locationOf = (netgroup: Netgroup): string => `/api/v1/netgroups/${encodeURIComponent(netgroup.name)}`;

export function netgroupsHandlers({ control }: Services) {
  return {
    list: ({ query }) => ({ body: pageOf(control.netgroups.list(), query, orders, netgroupView) }),
    create: async ({ body, actor }) => {
      const netgroup = await control.netgroups.create(actor, body);
      return { ...shown(netgroup), location: locationOf(netgroup) };
    },
    show: ({ params }) => shown(control.netgroups.get(params.name)),
    delete: ({ params, actor, ifVersion }) => control.netgroups.delete(actor, params.name, ifVersion),
    addMember: async ({ params, body, actor }) => {
      const netgroup = await control.netgroups.addMember(actor, params.name, body);
      return { ...shown(netgroup), location: locationOf(netgroup) };
    },
    removeMember: ({ params, actor, ifVersion }) => control.netgroups.removeMember(actor, params.name, params.id, ifVersion),
  } satisfies Handlers<typeof netgroups>;
}
