import type { permissions } from "#api/contract/routes/storage.ts";
import type { Grant as Shown } from "#api/contract/schemas.ts";
import type { Actor, Grant } from "#control/nouns.ts";
import type { Answer, Handlers, Services } from "../handler.ts";
import { pageOf } from "../paging.ts";
import { shareNameOf } from "../share-access.ts";

const view = (grant: Grant): Shown => ({ type: grant.type, name: grant.name, level: grant.level });

/** Grants are part of their share: its version is theirs. */
export function permissionsHandlers({ control }: Services) {
  const { shares } = control;
  const grant = async (actor: Actor, name: string, wanted: Grant, ifVersion: number | null): Promise<Answer<Shown>> => {
    const granted = await shares.grant(actor, name, wanted, ifVersion);
    return { body: view(granted), version: shares.get(name).version };
  };
  return {
    list: ({ params, query }) => {
      const share = shares.get(shareNameOf(params.share));
      const grants = shares.grants(share.name).filter((each) => query.type === undefined || each.type === query.type);
      return { body: pageOf(grants, query, { name: (each: Grant) => each.name }, view), version: share.version };
    },
    grantUser: ({ params, body, actor, ifVersion }) => grant(actor, shareNameOf(params.share), { type: "user", name: params.username, level: body.level }, ifVersion),
    revokeUser: ({ params, actor, ifVersion }) => shares.revoke(actor, shareNameOf(params.share), { type: "user", name: params.username }, ifVersion),
    grantGroup: ({ params, body, actor, ifVersion }) => grant(actor, shareNameOf(params.share), { type: "group", name: params.group, level: body.level }, ifVersion),
    revokeGroup: ({ params, actor, ifVersion }) => shares.revoke(actor, shareNameOf(params.share), { type: "group", name: params.group }, ifVersion),
  } satisfies Handlers<typeof permissions>;
}
