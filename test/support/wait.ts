/** For moments that must be unpredictable to the server, such as that of a crash; never to wait for something to happen. */
export function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A limit is what a machine of our own takes, generously; one that is busy or slow has so many times as long. What is right waits for none of it. */
const patience = 4;

/** Asks again until `probe` gives something other than null; throws after `limitMs`, with patience. */
export async function until<T>(what: string, limitMs: number, probe: () => Promise<T | null> | T | null): Promise<T> {
  const deadline = performance.now() + limitMs * patience;
  for (;;) {
    const found = await probe();
    if (found !== null) return found;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${limitMs * patience} ms`);
    await after(25);
  }
}

/** `promise`, or an error after `limitMs`, with patience unless told (1: what is done anew then). */
export async function within<T>(what: string, limitMs: number, promise: Promise<T>, times = patience): Promise<T> {
  let timer: Timer | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${limitMs * times} ms`)), limitMs * times);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
