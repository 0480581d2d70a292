/** A broken invariant of our own: a bug, never something a client, a disk or an operator can cause. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** Ends a `switch` over a union: the compiler complains when a member is missing. */
export function exhaustive(value: never): never {
  throw new InvariantError(`unexpected value ${String(value)}`);
}
