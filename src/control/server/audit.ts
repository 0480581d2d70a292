import type { Clock } from "#base/clock.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { ControlDatabase } from "../database/port.ts";
import { tables } from "../database/tables.ts";
import type { AuditEntry } from "../nouns.ts";
import type { Audit, AuditQuery } from "../services.ts";
import { Background } from "../sessions/background.ts";
import type { LoginEvent } from "../sessions/port.ts";
import { FailedLogins } from "./failed-logins.ts";

/** Lines one question gets at most. */
const linesMax = 1000;

/** How often lines that are too old are looked for. */
export const pruneEveryMs = 10 * 60_000;
/** Lines deleted at once, and the pause before the next: changes come in between. */
export const pruneLinesMax = 500;
export const prunePauseMs = 100;

const dayMs = 86_400_000;

export interface AuditParts {
  readonly database: ControlDatabase;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long lines are kept. */
  readonly keepDays: () => number;
  readonly nowMs: () => number;
}

/** The log of every change. It is long, so it is read from the database. */
export class AuditLog implements Audit {
  private readonly parts: AuditParts;
  private readonly database: ControlDatabase;
  private readonly failures: FailedLogins;
  private pruning: Background | null = null;

  constructor(parts: AuditParts) {
    this.parts = parts;
    this.database = parts.database;
    this.failures = new FailedLogins(parts.clock, parts.logger, (event, at, attempts) => this.append(event, at, attempts));
  }

  /** From now on lines that are too old are deleted, in the background. */
  start(): void {
    const { clock, logger } = this.parts;
    this.pruning = new Background(clock, logger, pruneEveryMs, "deleting old lines of the audit log", async () => ((await this.prune()) ? prunePauseMs : pruneEveryMs));
  }

  async close(): Promise<void> {
    await this.pruning?.close();
    await this.failures.close();
  }

  /** A log-in is no change, but who came from where is asked of the same log. */
  login(event: LoginEvent, at: number): Promise<void> {
    return event.action === "login_failed" ? this.failures.note(event, at) : this.append(event, at, 1);
  }

  /** Deletes some of what is too old; true: there is more. */
  private prune(): Promise<boolean> {
    const below = this.parts.nowMs() - this.parts.keepDays() * dayMs;
    return this.database.transaction(async (tx) => {
      const { rows, total } = await tx.page(tables.audit, {}, { orderBy: "at", descending: false, offset: 0, limit: pruneLinesMax, from: { column: "at", below } });
      if (rows.length > 0) await tx.delete(tables.audit, { number: rows.map(({ number }) => number) });
      return total > rows.length;
    });
  }

  private async append({ action, user, address, sessionId }: LoginEvent, at: number, attempts: number): Promise<void> {
    const actor = user ?? "";
    const more = { ...(sessionId === null ? {} : { sessionId }), ...(attempts === 1 ? {} : { attempts }) };
    const after = Object.keys(more).length === 0 ? null : more;
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
