import type { audit } from "#api/contract/routes/server.ts";
import { type Handlers, type Services, given } from "../handler.ts";
import { boundsOf } from "../paging.ts";
import { Refusal } from "../refusal.ts";
import { auditView } from "../views.ts";

/** ISO 8601 as the interface writes it, in milliseconds since 1970; a day alone is its beginning in UTC. */
function timeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms)) {
    throw new Refusal("invalid_request", "The query is wrong: since is no time.", { fields: [{ field: "since", message: "must be a time such as 2026-01-31T12:00:00Z, or a day" }] });
  }
  return ms;
}

export function auditHandlers({ control }: Services) {
  return {
    list: async ({ query }) => {
      const { page, size, offset } = boundsOf(query);
      const { actor, action, target, target_type: targetType } = query;
      const { entries, total } = await control.audit.list({
        ...given({ actor, action, target, targetType, since: timeOf(query.since) }),
        newestFirst: query.sort === "-number",
        offset,
        limit: size,
      });
      return { body: { items: entries.map(auditView), page, page_size: size, total } };
    },
  } satisfies Handlers<typeof audit>;
}
