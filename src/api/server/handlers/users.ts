import type { users } from "#api/contract/routes/access.ts";
import type { User } from "#control/nouns.ts";
import { type Answer, type Handlers, type Services, callerOf, given } from "../handler.ts";
import type { User as Shown } from "#api/contract/schemas.ts";
import { type Orders, found, pageOf } from "../paging.ts";
import { userView } from "../views.ts";
import { tokensView } from "./auth.ts";

export const userOrders: Orders<"username" | "uid" | "role" | "created_at", User> = {
  username: (user) => user.name,
  uid: (user) => user.uid,
  role: (user) => user.role,
  created_at: (user) => user.createdAt,
};

const shown = (user: User): Answer<Shown> => ({ body: userView(user), version: user.version });

export function usersHandlers({ control }: Services) {
  return {
    list: ({ query }) => {
      const users = control.users
        .list()
        .filter((user) => (query.role === undefined || user.role === query.role) && (query.enabled === undefined || user.enabled === query.enabled))
        .filter((user) => found(query.search, user.name, user.displayName, user.email));
      return { body: pageOf(users, query, userOrders, userView) };
    },
    create: async ({ body, actor }) => {
      const { username, password, display_name, must_change_password, ...rest } = body;
      const user = await control.users.create(actor, { name: username, password, ...rest, ...given({ displayName: display_name, mustChangePassword: must_change_password }) });
      return { ...shown(user), location: `/api/v1/users/${encodeURIComponent(user.name)}` };
    },
    show: ({ params }) => shown(control.users.get(params.username)),
    edit: async ({ params, body, actor, ifVersion }) => {
      const { display_name, must_change_password, ...rest } = body;
      return shown(await control.users.edit(actor, params.username, { ...rest, ...given({ displayName: display_name, mustChangePassword: must_change_password }) }, ifVersion));
    },
    delete: ({ params, actor, ifVersion }) => control.users.delete(actor, params.username, ifVersion),
    setPassword: ({ params, body, actor }) => control.users.setPassword(actor, params.username, body.new_password, body.must_change_password ?? false),
    changeOwnPassword: async (call) => ({
      body: tokensView(await control.logins.changeOwnPassword(callerOf(call), call.body.current_password, call.body.new_password, call.address)),
    }),
  } satisfies Handlers<typeof users>;
}
