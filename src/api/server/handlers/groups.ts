import type { groups } from "#api/contract/routes/access.ts";
import type { Group as Shown } from "#api/contract/schemas.ts";
import type { Group } from "#control/nouns.ts";
import type { Answer, Handlers, Services } from "../handler.ts";
import { type Orders, found, pageOf } from "../paging.ts";
import { groupView, userView } from "../views.ts";
import { userOrders } from "./users.ts";

const orders: Orders<"name" | "gid" | "created_at", Group> = {
  name: (group) => group.name,
  gid: (group) => group.gid,
  created_at: (group) => group.createdAt,
};

const shown = (group: Group): Answer<Shown> => ({ body: groupView(group), version: group.version });

export function groupsHandlers({ control }: Services) {
  return {
    list: ({ query }) => ({ body: pageOf(control.groups.list().filter((group) => found(query.search, group.name, group.description)), query, orders, groupView) }),
    create: async ({ body, actor }) => {
      const group = await control.groups.create(actor, body);
      return { ...shown(group), location: `/api/v1/groups/${encodeURIComponent(group.name)}` };
    },
    show: ({ params }) => shown(control.groups.get(params.name)),
    edit: async ({ params, body, actor, ifVersion }) => shown(await control.groups.edit(actor, params.name, body, ifVersion)),
    delete: ({ params, actor, ifVersion }) => control.groups.delete(actor, params.name, ifVersion),
    members: ({ params, query }) => {
      const group = control.groups.get(params.name);
      const members = new Set(group.members);
      const users = control.users.list().filter((user) => members.has(user.name));
      return { body: pageOf(users, query, { username: userOrders.username }, userView), version: group.version };
    },
    addMember: ({ params, body, actor }) => control.groups.addMember(actor, params.name, body.username),
    removeMember: ({ params, actor, ifVersion }) => control.groups.removeMember(actor, params.name, params.username, ifVersion),
  } satisfies Handlers<typeof groups>;
}
