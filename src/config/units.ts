/** Sizes and durations as an operator writes them. Sizes are bytes, durations milliseconds. */

const sizeUnits: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  p: 1e15,
  ki: 2 ** 10,
  mi: 2 ** 20,
  gi: 2 ** 30,
  ti: 2 ** 40,
  pi: 2 ** 50,
};

/** Bytes of `512MB`, `10Gi`, `1.5GiB`, `1048576`; null for anything that is no whole number of bytes below 2^53. */
export function parseSize(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgtp]i?)?b?$/i.exec(text.trim());
  if (match === null) return null;
  const unit = sizeUnits[(match[2] ?? "").toLowerCase()];
  if (unit === undefined) return null;
  const bytes = Number(match[1]) * unit;
  // A fraction such as 0.1Gi has no exact byte count; the byte below it is what is meant.
  const whole = Math.floor(bytes);
  if (!Number.isSafeInteger(whole) || (unit === 1 && whole !== bytes)) return null;
  return whole;
}

/** The shortest exact spelling that `parseSize` reads back. */
export function formatSize(bytes: number): string {
  const units: readonly (readonly [string, number])[] = [
    ["PiB", 2 ** 50],
    ["TiB", 2 ** 40],
    ["GiB", 2 ** 30],
    ["MiB", 2 ** 20],
    ["KiB", 2 ** 10],
    ["TB", 1e12],
    ["GB", 1e9],
    ["MB", 1e6],
  ];
  if (bytes === 0) return "0";
  for (const [name, unit] of units) if (bytes % unit === 0) return `${bytes / unit}${name}`;
  return String(bytes);
}

/** `1.4 GiB`: exact where it is short, else three digits. */
export function approximateSize(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 || value >= 100 ? Math.round(value) : Number(value.toPrecision(3))} ${units[unit]}`;
}

const durationUnits: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of `30s`, `5m`, `200ms`, `1h30m`, `0`; null for anything else. */
export function parseDuration(text: string): number | null {
  const trimmed = text.trim().toLowerCase();
  if (trimmed === "0") return 0;
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(trimmed)) return null;
  let total = 0;
  for (const match of trimmed.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) total += Number(match[1]) * (durationUnits[match[2] ?? ""] ?? Number.NaN);
  const whole = Math.round(total);
  return Number.isSafeInteger(whole) ? whole : null;
}

/** The shortest exact spelling that `parseDuration` reads back. */
export function formatDuration(ms: number): string {
  if (ms === 0) return "0s";
  for (const name of ["d", "h", "m", "s"]) {
    const unit = durationUnits[name] ?? 1;
    if (ms % unit === 0) return `${ms / unit}${name}`;
  }
  return `${ms}ms`;
}
