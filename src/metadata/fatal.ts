/**
 * Ends the process at once: what memory and disk hold can no longer be told apart, and a restart reads what is on disk.
 * An exception would not do: one that is thrown out of a callback does not end a Bun process whose main module still awaits.
 */
export function endProcess(error: Error): never {
  process.stderr.write(`${error.stack ?? error.message}\n`);
  process.exit(1);
}

export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
