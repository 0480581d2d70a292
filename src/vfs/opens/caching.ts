/**
 * What a client may keep of a file on its side (MS-SMB2 2.2.13.2.8): bytes read, the open handle after its program closed it, bytes
 * written and not sent yet. An oplock is one of three such sets: level II is R, exclusive RW, batch RWH (MS-FSA 2.1.5.18).
 */
export const Cached = { none: 0, read: 1, handle: 2, write: 4, all: 7 } as const;

/** The sets that can be granted: nothing is kept without the right to keep what was read. */
const grantable: readonly boolean[] = [true, true, false, true, false, true, false, true];

/** What else holds of the file when caching is asked for. */
export interface Company {
  /** Somebody else has it open for more than its attributes, or has any oplock or lease. */
  readonly others: boolean;
  /** Somebody else may keep what he writes. */
  readonly written: boolean;
  /** Somebody else may keep handles. */
  readonly handleKept: boolean;
  /** Somebody else has an oplock. */
  readonly oplock: boolean;
  readonly locked: boolean;
  readonly directory: boolean;
}

/** What is granted of `asked` to a lease (MS-SMB2 3.3.5.9.8, MS-FSA 2.1.5.18.2). */
export function leaseGrant(asked: number, company: Company): number {
  if (company.written) return Cached.none;
  let granted = asked & Cached.all;
  if (company.directory) granted &= ~Cached.write;
  if (grantable[granted] !== true) return Cached.none;
  if (company.locked) granted &= ~(Cached.read | Cached.handle);
  if (company.others) granted &= ~Cached.write;
  if (company.oplock) granted &= ~Cached.handle;
  return grantable[granted] === true ? granted : Cached.none;
}

/** The set an oplock is taken down to: RW and RWH where nobody else is there, else R, which goes with nobody's kept handles. */
export function oplockGrant(asked: number, company: Company): number {
  if (company.written || company.handleKept || company.directory || company.locked) return Cached.none;
  return company.others ? asked & Cached.read : asked;
}

/** What somebody does to a file that others cache. */
export const Cause = {
  /** Opens it. */
  open: "open",
  /** Opens it and begins with empty content. */
  overwrite: "overwrite",
  /** Can't open it as long as handles that were closed are kept open. */
  sharing: "sharing",
  /** Changes its content, or locks a range of it. */
  content: "content",
  /** Renames it, deletes it, or gives it another name. */
  name: "name",
  /** Changes what a listing of the directory shows. */
  directory: "directory",
} as const;
export type Cause = (typeof Cause)[keyof typeof Cause];

/** What a break for this cause leaves of a set, and whether who causes it waits until the client has agreed (MS-FSA 2.1.4.12). */
interface Break {
  readonly to: number;
  readonly waits: boolean;
}

const lost: Readonly<Record<Cause, number>> = {
  open: Cached.write,
  overwrite: Cached.all,
  sharing: Cached.handle,
  content: Cached.all,
  name: Cached.handle,
  directory: Cached.all,
};
/** The caching that has to be gone before it goes on; the rest may be given up meanwhile. */
const awaited: Readonly<Record<Cause, number>> = {
  open: Cached.write,
  overwrite: Cached.write,
  sharing: Cached.handle,
  content: Cached.write,
  name: Cached.handle,
  directory: Cached.none,
};

/** An oplock goes down to level II or to nothing. */
export function breakOf(cause: Cause, state: number, oplock: boolean): Break {
  const kept = state & ~lost[cause];
  if (kept === state) return { to: state, waits: false };
  return { to: oplock ? kept & Cached.read : kept, waits: (state & awaited[cause]) !== 0 };
}
