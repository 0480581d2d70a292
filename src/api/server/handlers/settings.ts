import type { settings } from "#api/contract/routes/server.ts";
import type { Setting } from "#control/nouns.ts";
import type { Handlers, Services } from "../handler.ts";
import { pageOf } from "../paging.ts";
import { settingView } from "../views.ts";

const shown = (setting: Setting) => ({ body: settingView(setting), version: setting.version });

export function settingsHandlers({ control }: Services) {
  return {
    list: ({ query }) => ({ body: pageOf(control.settings.list(), query, { key: (setting: Setting) => setting.key }, settingView) }),
    show: ({ params }) => shown(control.settings.get(params.key)),
    set: async ({ params, body, actor, ifVersion }) => shown(await control.settings.set(actor, params.key, body.value, ifVersion)),
    reset: ({ params, actor, ifVersion }) => control.settings.reset(actor, params.key, ifVersion),
  } satisfies Handlers<typeof settings>;
}
