import type { ControlDatabase } from "../database/port.ts";
import { tables } from "../database/tables.ts";
import type { AuditEntry } from "../nouns.ts";
import type { Audit, AuditQuery } from "../services.ts";
import type { LoginEvent } from "../sessions/port.ts";

/** Lines one question gets at most. */
const linesMax = 1000;

/** The log of every change. It only grows, so it is read from the database. */
export class AuditLog implements Audit {
  private readonly database: ControlDatabase;

  constructor(database: ControlDatabase) {
    this.database = database;
  }

  /** A log-in is no change, but who came from where is asked of the same log. */
  async login({ action, user, address, sessionId }: LoginEvent, at: number): Promise<void> {
    const actor = user ?? "";
    const after = sessionId === null ? null : { sessionId };
    await this.database.transaction((tx) => tx.append(tables.audit, { at, actor, address, action: `sessions.${action}`, targetType: "session", target: actor, before: null, after }));
  }

  async list(query: AuditQuery): Promise<{ readonly entries: readonly AuditEntry[]; readonly total: number }> {
    const { actor, action, targetType, target, since, newestFirst, offset, limit } = query;
    const where = {
      ...(actor === undefined ? {} : { actor }),
      ...(action === undefined ? {} : { action }),
      ...(targetType === undefined ? {} : { targetType }),
      ...(target === undefined ? {} : { target }),
    };
    const from = since === undefined ? {} : { from: { column: "at" as const, atLeast: since } };
    const page = { orderBy: "number" as const, descending: newestFirst, offset, limit: Math.min(limit, linesMax), ...from };
    const { rows, total } = await this.database.transaction((tx) => tx.page(tables.audit, where, page));
    return { entries: rows, total };
  }
}
