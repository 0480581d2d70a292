import { sessions } from "../database/tables.ts";
import type { Row } from "../database/columns.ts";
import type { ControlDatabase, Transaction } from "../database/port.ts";

/** Live sessions of one user; beyond it the one not used for longest ends. */
export const sessionsPerUserMax = 50;
/** Rows that one step of the background work reads or deletes. */
const rowsPerStep = 500;

export type SessionRow = Row<typeof sessions>;

export interface RevokedSession {
  readonly id: string;
  readonly at: number;
}

/** What became of a refresh token. */
export type Rotation = { readonly result: "rotated" } | { readonly result: "absent" } | { readonly result: "other"; readonly row: SessionRow };

/** The rows of sessions. Times are milliseconds since 1970. */
export class SessionTable {
  private readonly db: ControlDatabase;
  /** How long a revoked session's row is kept, so that other nodes get to know. */
  private readonly keepRevokedMs: number;

  constructor(db: ControlDatabase, keepRevokedMs: number) {
    this.db = db;
    this.keepRevokedMs = keepRevokedMs;
  }

  /** Adds a session; gives those that had to end for it: with `alone` all others of the user, else what is past the bound. */
  async add(row: SessionRow, alone: boolean): Promise<readonly string[]> {
    return await this.db.transaction(async (tx) => {
      const live = (await tx.all(sessions, { userId: row.userId, revokedAt: null })).toSorted((a, b) => a.usedAt - b.usedAt);
      const ended = live.slice(0, alone ? live.length : Math.max(0, live.length - (sessionsPerUserMax - 1)));
      for (const one of ended) await this.revokeRow(tx, one, row.createdAt);
      await tx.insert(sessions, row);
      return ended.map((one) => one.id);
    });
  }

  /** Puts `next` in the place of the token with hash `expected`, where that is the good one. */
  async rotate(id: string, expected: string, next: { readonly tokenHash: string; readonly at: number; readonly expiresAt: number }): Promise<Rotation> {
    return await this.db.transaction(async (tx): Promise<Rotation> => {
      const row = await tx.one(sessions, { id });
      if (row === null || row.revokedAt !== null) return { result: "absent" };
      if (row.tokenHash !== expected) return { result: "other", row };
      await tx.update(sessions, { id }, { tokenHash: next.tokenHash, usedAt: next.at, expiresAt: next.expiresAt });
      return { result: "rotated" };
    });
  }

  /** Gives the session as it was; null where there is none or it had ended. */
  async revoke(id: string, at: number): Promise<SessionRow | null> {
    return await this.db.transaction(async (tx) => {
      const row = await tx.one(sessions, { id });
      if (row === null || row.revokedAt !== null) return null;
      await this.revokeRow(tx, row, at);
      return row;
    });
  }

  /** All that were revoked at `since` or later. */
  async revokedSince(since: number): Promise<readonly RevokedSession[]> {
    return await this.db.transaction(async (tx) => {
      const found: RevokedSession[] = [];
      for (;;) {
        const { rows, total } = await tx.page(sessions, {}, { orderBy: "revokedAt", descending: false, offset: found.length, limit: rowsPerStep, from: { column: "revokedAt", atLeast: since } });
        for (const row of rows) if (row.revokedAt !== null) found.push({ id: row.id, at: row.revokedAt });
        if (rows.length === 0 || found.length >= total) return found;
      }
    });
  }

  /** Deletes some of those that expired before `now`; false: that was all. */
  async sweep(now: number): Promise<boolean> {
    return await this.db.transaction(async (tx) => {
      const { rows, total } = await tx.page(sessions, {}, { orderBy: "expiresAt", descending: false, offset: 0, limit: rowsPerStep, from: { column: "expiresAt", below: now } });
      if (rows.length > 0) await tx.delete(sessions, { id: rows.map((row) => row.id) });
      return total > rows.length;
    });
  }

  private async revokeRow(tx: Transaction, row: SessionRow, at: number): Promise<void> {
    await tx.update(sessions, { id: row.id }, { revokedAt: at, expiresAt: Math.min(row.expiresAt, at + this.keepRevokedMs) });
  }
}
