import type { Clock } from "#base/clock.ts";
import { parseDuration } from "#config/index.ts";
import { UsageError } from "./remote/failure.ts";

/** The moment of `90m` (ago), `2026-01-31`, `2026-01-31T08:00` (local time) or `2026-01-31T08:00:00Z`; throws UsageError. */
export function momentOf(given: string, flag: string, clock: Clock): Date {
  const ago = parseDuration(given);
  if (ago !== null) return new Date(clock.now().sec * 1000 - ago);
  const day = /^\d{4}-\d{2}-\d{2}$/.test(given);
  const wanted = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$/.test(given);
  // A day alone would be taken as UTC, with an hour as local.
  const at = new Date(day ? `${given}T00:00` : given.replace(" ", "T"));
  if (!wanted || Number.isNaN(at.getTime())) throw new UsageError(`${flag}: ${JSON.stringify(given)} is not allowed here; allowed: 90m, 24h, 7d, 2026-01-31 or 2026-01-31T08:00`);
  return at;
}
