import type { adapters } from "#api/contract/routes/server.ts";
import type { Adapter } from "#control/nouns.ts";
import type { Answer, Handlers, Services } from "../handler.ts";
import type { Static } from "@sinclair/typebox";
import type { AdapterSettings } from "#api/contract/schemas.ts";
import { pageOf } from "../paging.ts";
import { adapterPortView, adapterSettingsView, adapterView, mountView } from "../views.ts";
import { mountOrders } from "./clients.ts";

const settingsShown = (adapter: Adapter): Answer<Static<typeof AdapterSettings>> => ({ body: adapterSettingsView(adapter), version: adapter.version });

function settingsHandlers({ control }: Services) {
  return {
    settings: ({ params }) => settingsShown(control.adapters.get(params.type)),
    replaceSettings: async ({ params, query, body, actor, ifVersion }) =>
      settingsShown(await control.adapters.setSettings(actor, params.type, body, { replace: true, dryRun: query.dry_run ?? false }, ifVersion)),
    changeSettings: async ({ params, query, body, actor, ifVersion }) =>
      settingsShown(await control.adapters.setSettings(actor, params.type, body, { replace: false, dryRun: query.dry_run ?? false }, ifVersion)),
    defaults: ({ params }) => ({
      body: { items: control.adapters.about(params.type).map(({ key, type, default: standard, allowed, help }) => ({ key, type, default: standard, allowed, help })) },
    }),
    reset: async ({ params, body, actor }) => settingsShown(await control.adapters.reset(actor, params.type, body.setting ?? null)),
  } satisfies Partial<Handlers<typeof adapters>>;
}

export function adaptersHandlers(services: Services) {
  const { control, runtime } = services;
  const shown = (adapter: Adapter) => ({ body: adapterView(adapter, runtime), version: adapter.version });
  return {
    ...settingsHandlers(services),
    ports: () => ({ body: { items: control.adapters.list().map((adapter) => adapterPortView(adapter, runtime)) } }),
    list: ({ query }) => ({ body: pageOf(control.adapters.list(), query, { type: (adapter: Adapter) => adapter.type }, (adapter) => adapterView(adapter, runtime)) }),
    create: async ({ body, actor }) => {
      const adapter = await control.adapters.create(actor, body);
      return { ...shown(adapter), location: `/api/v1/adapters/${adapter.type}` };
    },
    show: ({ params }) => shown(control.adapters.get(params.type)),
    edit: async ({ params, body, actor, ifVersion }) => shown(await control.adapters.edit(actor, params.type, body, ifVersion)),
    delete: ({ params, actor, ifVersion }) => control.adapters.delete(actor, params.type, ifVersion),
    status: ({ params }) => shown(control.adapters.get(params.type)),
    mounts: ({ params, query }) => {
      const { type } = control.adapters.get(params.type);
      const { client, mounted_at } = mountOrders;
      return { body: pageOf(runtime.mounts().filter((mount) => mount.protocol === type), query, { client, mounted_at }, mountView) };
    },
  } satisfies Handlers<typeof adapters>;
}
