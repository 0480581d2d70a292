import type { Maybe } from "#base/brand.ts";
import type { Change as StoreChange, ChangeSet, Condition, Touched } from "#model/change-set.ts";
import { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import { jukebox } from "./errors.ts";
import type { Change } from "./file-system.ts";
import type { Place } from "./opens/open-file.ts";
import type { Share } from "./share.ts";

/** Times an operation decides before it answers "try later": each lost a race to another client. */
export const decisionsMax = 16;
/** From this decision on what the caches say about a failed condition is read from the store again. */
export const trustedDecisions = 2;

/**
 * A change set on its way to the store. `watched` is the object whose exact state before and after is wanted even though
 * content may be laid over its row (0: none): the applied listener fills it in, at the moment the set takes effect.
 */
export class Operation implements ChangeSet {
  readonly conditions: readonly Condition[];
  readonly changes: readonly StoreChange[];
  readonly watched: number;
  before: Inode | null = null;
  after: Inode | null = null;
  /** The lease on a directory whose holder has it done. */
  by: string | null = null;
  /** The name it moves. */
  moved: { readonly id: FileId; readonly from: Place; readonly to: Place } | null = null;
  /** Resolves when the set is durable or refused; never rejects. */
  settled: Promise<unknown> | null = null;

  constructor(conditions: readonly Condition[], changes: readonly StoreChange[], watched = 0) {
    this.conditions = conditions;
    this.changes = changes;
    this.watched = watched;
  }
}

/**
 * Runs `decide` until its decision is applied: it answers null when a condition of its change set failed, and is asked again,
 * as by then somebody else changed what it had read.
 */
export async function untilApplied<T>(decide: (attempt: number) => Promise<T | FsError | null>): Promise<T | FsError> {
  for (let attempt = 0; attempt < decisionsMax; attempt++) {
    const outcome = await decide(attempt);
    if (outcome !== null) return outcome;
  }
  return jukebox;
}

/** A directory before and after an applied set. */
export function changeOf(share: Share, touched: readonly Touched[], id: FileId): Change {
  let before: Inode | null = null;
  let after: Inode | null = null;
  let found = false;
  for (let i = 0; i < touched.length; i++) {
    const one = touched[i] as Touched;
    if (one.id !== id) continue;
    if (!found) before = one.before;
    found = true;
    after = one.after;
  }
  return { before, after: after === null ? null : share.current(after) };
}

/** The object a set made, as it is now. */
export function madeBy(share: Share, touched: readonly Touched[], id: FileId): Inode | null {
  for (let i = 0; i < touched.length; i++) {
    const one = touched[i] as Touched;
    if (one.id === id && one.after !== null) return share.current(one.after);
  }
  return null;
}

/** A change that changed nothing. */
export function unchanged(inode: Inode): Change {
  return { before: inode, after: inode };
}

/** Resolves when the object's existence and everything accepted of its content is durable. */
export function durable(share: Share, id: FileId): Maybe<FsError | null> {
  const made = share.made(id);
  const content = share.content.durable(id);
  if (made === null) return content;
  return Promise.all([content, made]).then(firstOf);
}

function firstOf(both: readonly [FsError | null, unknown]): FsError | null {
  return both[0];
}
