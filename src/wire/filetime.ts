import { Time } from "#base/time.ts";
import { type LeWriter, u16, u32 } from "./le.ts";

/** Seconds from 1601-01-01 to 1970-01-01. */
const epochSec = 11_644_473_600;
const ticksPerSec = 10_000_000;
const nsecPerTick = 100;
const twoTo16 = 65_536;
const twoTo32 = 4_294_967_296;

export const fileTimeBytes = 8;

/**
 * Writes a FILETIME (MS-DTYP 2.3.3): 100 ns since 1601. The product passes 2^53, so it is built of halves; divisions by powers of
 * two are exact, and a remainder by subtraction is a fraction of the cost of one by `%`.
 */
export function encodeFileTime(w: LeWriter, time: Time): void {
  if (time.sec !== lastSec || time.nsec !== lastNsec) remember(time);
  w.u32(lastLow);
  w.u32(lastHigh);
}

/** The time written last: a file that nobody changed since it was made has it four times. */
let lastSec = Number.NaN;
let lastNsec = 0;
let lastLow = 0;
let lastHigh = 0;

function remember(time: Time): void {
  const seconds = Math.max(0, time.sec + epochSec);
  const high = Math.floor(seconds / twoTo16);
  const upper = high * ticksPerSec;
  const lower = (seconds - high * twoTo16) * ticksPerSec + Math.floor(time.nsec / nsecPerTick);
  const upperHigh = Math.floor(upper / twoTo16);
  const rest = (upper - upperHigh * twoTo16) * twoTo16 + lower;
  const restHigh = Math.floor(rest / twoTo32);
  lastSec = time.sec;
  lastNsec = time.nsec;
  lastLow = (rest - restHigh * twoTo32) | 0;
  lastHigh = (upperHigh + restHigh) | 0;
}

/** What a FILETIME asks for: a time, or null for the values that mean "leave it" (0, -1, -2; MS-FSCC 2.4.7). */
export function decodeFileTime(b: Uint8Array, at: number): Time | null {
  const low = u32(b, at);
  const high = u32(b, at + 4);
  if (high >= 0x80000000 || (high === 0 && low === 0)) return null;
  // Long division by 16-bit digits: the whole passes 2^53.
  let seconds = 0;
  let ticks = 0;
  for (let i = 3; i >= 0; i--) {
    ticks = ticks * twoTo16 + u16(b, at + i * 2);
    const whole = Math.floor(ticks / ticksPerSec);
    ticks -= whole * ticksPerSec;
    seconds = seconds * twoTo16 + whole;
  }
  return new Time(seconds - epochSec, ticks * nsecPerTick);
}
