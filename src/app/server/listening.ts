const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program listens there",
  EACCES: "this user may not (ports below 1024 take root or CAP_NET_BIND_SERVICE)",
  EADDRNOTAVAIL: "this machine has no such address",
};

/** Does it, or throws an error that says what was tried, and why it didn't go in words for an operator. */
export async function orSay<T>(what: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    throw new Error(`${what}: ${reasons[code] ?? message}`, { cause: error });
  }
}
