const causesMax = 4;
const messageLengthMax = 500;

/**
 * An unexpected error as the log may have it. Database libraries append the values of a failed statement to their messages and keep them
 * as properties; those may be hashes and secrets, so that only names, codes, the message's first line and the frames are taken.
 */
export function describeError(error: unknown): object {
  return describe(error, causesMax);
}

function describe(error: unknown, depth: number): object {
  if (!(error instanceof Error)) return { message: `a thrown ${typeof error}` };
  const code = (error as { readonly code?: unknown }).code;
  return {
    name: error.name,
    message: (error.message.split(/\r?\n/, 1)[0] ?? "").slice(0, messageLengthMax),
    ...(typeof code === "string" || typeof code === "number" ? { code } : {}),
    frames: framesOf(error.stack),
    ...(error.cause === undefined || depth === 0 ? {} : { cause: describe(error.cause, depth - 1) }),
  };
}

function framesOf(stack: string | undefined): readonly string[] {
  return (stack ?? "").split("\n").map((line) => line.trim()).filter((line) => line.startsWith("at "));
}
