import type { schemas } from "#api/contract/index.ts";

export type Stats = schemas.Stats;
export type Activity = Stats["total"];

const thousand = 1000;
const units = ["", "k", "M", "G", "T"];
const bytesUnits = ["B", "K", "M", "G", "T", "P"];

/** `12.3k`: three digits and a unit, in few columns. */
export function count(value: number): string {
  let unit = 0;
  let shown = value;
  for (; shown >= thousand && unit < units.length - 1; unit++) shown /= thousand;
  return `${digits(shown, unit > 0)}${units[unit]}`;
}

/** `1.4G`, in powers of 1024; nothing is a dash. */
export function size(bytes: number): string {
  if (bytes === 0) return "-";
  let unit = 0;
  let shown = bytes;
  for (; shown >= 1024 && unit < bytesUnits.length - 1; unit++) shown /= 1024;
  return `${digits(shown, unit > 0)}${bytesUnits[unit]}`;
}

/** Milliseconds: `0.12`, `4.5`, `312`, `12s`; nothing was measured: a dash. */
export function latency(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return "-";
  if (ms >= 10_000) return `${Math.round(ms / 1000)}s`;
  return ms < 0.1 ? ms.toFixed(3) : ms < 1 ? ms.toFixed(2) : digits(ms, true);
}

function digits(value: number, fraction: boolean): string {
  if (value >= 100 || Number.isInteger(value) && !fraction) return String(Math.round(value));
  return value >= 10 ? value.toFixed(fraction ? 1 : 0) : value === 0 ? "0" : value.toFixed(1);
}

/** The first of them. */
export function busiest(stats: Stats): string {
  const [client] = stats.clients;
  return client === undefined || client.requests === 0 ? "-" : `${client.user ?? "-"}@${client.address} ${client.shares.join(",")}`;
}
