import type { stores } from "#api/contract/routes/storage.ts";
import type { Store as Shown } from "#api/contract/schemas.ts";
import type { Store } from "#control/nouns.ts";
import type { Answer, Handlers, Services } from "../handler.ts";
import { type Orders, pageOf } from "../paging.ts";
import { storeHealthView, storeView } from "../views.ts";

const orders: Orders<"name" | "type" | "created_at", Store> = { name: (store) => store.name, type: (store) => store.type, created_at: (store) => store.createdAt };

const shown = (store: Store): Answer<Shown> => ({ body: storeView(store), version: store.version });

export function storesHandlers({ control }: Services) {
  return {
    list: ({ params, query }) => ({ body: pageOf(control.stores.list(params.kind).filter((store) => query.type === undefined || store.type === query.type), query, orders, storeView) }),
    create: async ({ params, body, actor }) => {
      const store = await control.stores.create(actor, params.kind, body);
      return { ...shown(store), location: `/api/v1/store/${params.kind}/${encodeURIComponent(store.name)}` };
    },
    show: ({ params }) => shown(control.stores.get(params.kind, params.name)),
    edit: async ({ params, body, actor, ifVersion }) => shown(await control.stores.edit(actor, params.kind, params.name, body.config, ifVersion)),
    delete: ({ params, actor, ifVersion }) => control.stores.delete(actor, params.kind, params.name, ifVersion),
    health: async ({ params }) => ({ body: storeHealthView(params.name, await control.stores.check(params.kind, params.name), control.stores.requests(params.kind, params.name)) }),
    status: ({ params }) => ({ body: storeHealthView(params.name, control.stores.known(params.kind, params.name), control.stores.requests(params.kind, params.name)) }),
    rotateKeys: async ({ params, actor }) => {
      const rotated = await control.stores.rotateKeys(actor, params.name);
      return { body: { name: params.name, shares: rotated.map(({ share, master, keys, error }) => ({ share, master_key: master, keys, error })) } };
    },
  } satisfies Handlers<typeof stores>;
}
