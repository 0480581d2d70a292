/** What a check found; `advice` is what to do about what isn't ok. */
export interface Finding {
  readonly check: string;
  readonly result: "ok" | "warn" | "fail";
  readonly found: string;
  readonly advice: string | null;
}

export const ok = (check: string, found: string): Finding => ({ check, result: "ok", found, advice: null });
export const warn = (check: string, found: string, advice: string): Finding => ({ check, result: "warn", found, advice });
export const fail = (check: string, found: string, advice: string): Finding => ({ check, result: "fail", found, advice });

/** What the system said, or what isn't one of its errors thrown on. */
export function codeOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code !== "string") throw error;
  return code;
}
