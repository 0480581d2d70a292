import type { Clock } from "#base/clock.ts";
import type { Logger } from "#telemetry/logger.ts";
import { type ControlDatabase, DatabaseError, type Transaction, UniqueViolation } from "../database/port.ts";
import { tables } from "../database/tables.ts";
import { ControlError } from "../errors.ts";
import type { Actor } from "../nouns.ts";
import { auditRow } from "./audit-row.ts";
import { Draft } from "./draft.ts";
import { OneByOne } from "./one-by-one.ts";
import { type Retired, retiredBy, retiredNote } from "./retired.ts";
import { type AnyRow, type Operation, revisionNote, revisionOf, type State } from "./state.ts";

/** Changes that wait at once; the next is refused as busy. */
const waitingMax = 256;
/** How often a change is decided anew because another node's came first. */
const attemptsMax = 5;

/** One change as its service describes it. */
export interface Change {
  readonly actor: Actor;
  /** `users.create`. */
  readonly action: string;
  readonly target: { readonly type: string; readonly name: string };
  /** What the audit log shows of the target; null where it isn't there. Read before and after. */
  readonly view: () => unknown;
  /** What the view can't show, such as that a password was set; never the secret. */
  readonly also?: Readonly<Record<string, unknown>>;
  /** Notes that come with it. */
  readonly notes?: Readonly<Record<string, string>>;
  /** Checks against the state, throws ControlError, and drafts the rows. Runs again where another node's change came first. */
  readonly make: (draft: Draft) => void;
}

/** A change that is durable and in memory. */
export interface Done {
  readonly change: Change;
  readonly operations: readonly Operation[];
}

/** Another node changed the database since it was read: what was decided rests on nothing. */
class Outdated extends Error {
  override readonly name = "Outdated";
}

/**
 * Makes the changes, one at a time: decided on what is in memory, written in one transaction that holds only if the revision is
 * still the one in memory, then shown in memory. So no decision rests on what another node has changed meanwhile.
 */
export class Changes {
  readonly state: State;
  private readonly database: ControlDatabase;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly queue = new OneByOne(waitingMax);
  private onMoved: () => void = () => {};

  /** What `othersVersion` was before memory was last compared with the database. */
  private seenVersion: number | null = null;

  constructor(state: State, database: ControlDatabase, clock: Clock, logger: Logger) {
    this.state = state;
    this.database = database;
    this.clock = clock;
    this.logger = logger;
  }

  /** Calls `run` whenever somebody else's changes were read into memory. */
  whenMoved(run: () => void): void {
    this.onMoved = run;
  }

  /** Gives what was done, or null where there was nothing to do. */
  run(change: Change): Promise<Done | null> {
    return this.queue.run(() => this.attempt(change));
  }

  /** Reads everything anew if the database has moved. */
  async refresh(): Promise<void> {
    const version = this.database.othersVersion();
    if (version !== null && version === this.seenVersion) return;
    await this.queue.run(() => this.reloadIfMoved());
    this.seenVersion = version;
  }

  /** Puts back what a change did, unless somebody has changed it since: then that is refused as `changed_meanwhile`. */
  undo(done: Done, reason: string): Promise<Done | null> {
    const { actor, action, target, view } = done.change;
    return this.run({ actor, action: `${action}.undone`, target, view, also: { reason }, make: (draft) => this.invert(done, draft) });
  }

  /** Resolves when nothing is under way any more; what comes later is refused. */
  close(): Promise<void> {
    return this.queue.close();
  }

  nowMs(): number {
    const { sec, nsec } = this.clock.now();
    return sec * 1000 + Math.floor(nsec / 1e6);
  }

  private async attempt(change: Change): Promise<Done | null> {
    for (let attempt = 1; ; attempt++) {
      const draft = new Draft(this.state, this.nowMs());
      change.make(draft);
      const operations = draft.operations;
      if (operations.length === 0) return null;
      const before = change.view();
      const after = this.state.seenWith(operations, change.view);
      const retired = retiredBy(this.state.retired, operations);
      try {
        await this.store(change, operations, { before, after, retired });
      } catch (error) {
        if (!isOutdated(error)) throw await this.refused(change, error);
        if (attempt >= attemptsMax) throw new ControlError("busy", "Other nodes of this server keep changing things.", { hint: "Try again.", retryAfterSec: 1 });
        await this.reload();
        continue;
      }
      this.state.apply(operations);
      this.state.revision++;
      this.state.retired = retired;
      return { change, operations };
    }
  }

  private store(change: Change, operations: readonly Operation[], outcome: { readonly before: unknown; readonly after: unknown; readonly retired: Retired }): Promise<void> {
    const { revision: known, retired } = this.state;
    const entry = auditRow(change, this.nowMs(), outcome.before, outcome.after);
    return this.database.transaction(async (tx) => {
      // First of all: it holds other nodes back until this transaction ends, and tells whether the decision still rests on what is there.
      await raiseRevision(tx, known);
      for (const operation of inOrder(operations)) await write(tx, operation);
      for (const [key, value] of Object.entries(change.notes ?? {})) await tx.insert(tables.notes, { key, value });
      if (outcome.retired !== retired) await put(tx, retiredNote, JSON.stringify(outcome.retired));
      await tx.append(tables.audit, entry);
    });
  }

  /** What to answer where the transaction failed. The connection may have broken after the commit: the database says what is true. */
  private async refused(change: Change, error: unknown): Promise<unknown> {
    if (error instanceof UniqueViolation) return new ControlError("already_exists", `The ${change.target.type} ${change.target.name}: ${error.message}.`);
    this.logger.error({ error, action: change.action, target: change.target.name }, "a change could not be stored");
    try {
      await this.reloadIfMoved();
    } catch (again) {
      this.logger.error({ error: again }, "the control-plane database does not answer");
    }
    const why = error instanceof DatabaseError ? `: ${error.message}` : ".";
    return new ControlError("unavailable", `The control-plane database could not store the change${why}`, {
      hint: "Look at the server's log for the reason; then look whether the change was made before you make it again.",
    });
  }

  private async reloadIfMoved(): Promise<void> {
    const revision = await this.database.transaction(revisionOf);
    if (revision !== this.state.revision) await this.reload();
  }

  private async reload(): Promise<void> {
    await this.state.load(this.database);
    this.onMoved();
  }

  private invert(done: Done, draft: Draft): void {
    for (const { table, before, after } of [...done.operations].reverse()) {
      const rows = this.state.rows(table);
      const now = rows.get(...table.key.map((name) => String((after ?? before)?.[name]))) as AnyRow | null;
      if ((now === null) !== (after === null) || now?.["version"] !== after?.["version"]) throw changedSince(done.change);
      if (before === null) draft.remove(table, now as never);
      else if (now === null) draft.restore(table, before);
      else draft.update(table, now as never, withoutCommon(before) as never);
    }
  }
}

/** Also where two nodes make their very first change at once. */
function isOutdated(error: unknown): boolean {
  return error instanceof Outdated || (error instanceof UniqueViolation && error.table === tables.notes.name);
}

function changedSince({ target }: Change): ControlError {
  return new ControlError("changed_meanwhile", `The ${target.type} ${target.name} was changed again meanwhile.`, { hint: "Look at it and decide anew." });
}

function withoutCommon({ version: _version, createdAt: _createdAt, updatedAt: _updatedAt, ...rest }: AnyRow): AnyRow {
  return rest;
}

async function raiseRevision(tx: Transaction, known: number): Promise<void> {
  if (known === 0 && (await tx.one(tables.notes, { key: revisionNote })) === null) {
    return tx.insert(tables.notes, { key: revisionNote, value: "1" });
  }
  const raised = await tx.update(tables.notes, { key: revisionNote, value: String(known) }, { value: String(known + 1) });
  if (raised !== 1) throw new Outdated();
}

async function put(tx: Transaction, key: string, value: string): Promise<void> {
  if ((await tx.update(tables.notes, { key }, { value })) === 0) await tx.insert(tables.notes, { key, value });
}

/** What goes first, children before parents, so that the values they held are free. */
function inOrder(operations: readonly Operation[]): readonly Operation[] {
  return [...operations.filter(({ after }) => after === null), ...operations.filter(({ after }) => after !== null)];
}

async function write(tx: Transaction, { table, before, after }: Operation): Promise<void> {
  if (before === null) return tx.insert(table, after as never);
  const where = Object.fromEntries([...table.key, ...("version" in before ? ["version"] : [])].map((name) => [name, before[name]])) as never;
  const written = after === null ? await tx.delete(table, where) : await tx.update(table, where, difference(before, after) as never);
  if (written !== 1) throw new Outdated();
}

function difference(before: AnyRow, after: AnyRow): AnyRow {
  return Object.fromEntries(Object.entries(after).filter(([name, value]) => !Bun.deepEquals(before[name], value)));
}
