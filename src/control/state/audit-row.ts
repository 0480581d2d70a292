import type { Row } from "../database/columns.ts";
import type { tables } from "../database/tables.ts";
import type { Change } from "./changes.ts";

/** The line of the audit log for a change. Views hold no secrets: nouns have none. */
export function auditRow(change: Change, at: number, before: unknown, after: unknown): Omit<Row<typeof tables.audit>, "number"> {
  const { actor, action, target, also } = change;
  return {
    at,
    actor: actor.name,
    address: actor.address,
    action,
    targetType: target.type,
    target: target.name,
    before: before ?? null,
    after: also === undefined ? (after ?? null) : { ...(after as object | null), ...also },
  };
}
