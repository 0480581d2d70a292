import type { Clock } from "#base/clock.ts";
import { ControlError } from "../errors.ts";
import { BoundedMap } from "./bounded-map.ts";
import { isLoopback, networkOf } from "./network.ts";

/**
 * How log-in attempts are slowed.
 *
 * - One account from one address: after so many attempts that failed, each further one doubles the wait, to a quarter of an hour, to half a minute
 *   from this machine itself.
 * - One address, whatever the account: so many attempts that failed, and then one every six seconds. Accounts that were used from
 *   there before are exempt: many people share an address (this machine's own, a proxy's), and one of them must not keep out the rest.
 * - One account, from wherever: slowed to one attempt in two seconds, never more, so that a crowd of machines can't guess fast and
 *   can't lock its owner out for long either. Addresses from which the account was used before are exempt: where the owner usually
 *   sits, nobody else's attempts count.
 *
 * An attempt counts from its beginning, so that many at once get no further than one after another; a success takes it back.
 */
export const pairFreeAttempts = 10;
export const pairWaitMsFirst = 1000;
const pairWaitMsMax = 15 * 60_000;
/**
 * From this machine itself everybody has the same address, unless told otherwise the only one that is let in: each user of the machine
 * could keep the administrator out with one wrong attempt a wait. So it is short, which still leaves no more than 120 guesses an hour.
 */
const loopbackPairWaitMsMax = 30_000;
/** Attempts longer ago don't count. */
export const pairForgetMs = 60 * 60_000;
export const addressBurst = 30;
export const addressRefillMs = 6000;
export const accountBurst = 30;
const accountRefillMs = 2000;
/** Entries of each kind that are remembered. */
const throttleEntriesMax = 20_000;
const accountCharactersMax = 64;

interface Pair {
  attempts: number;
  lastMs: number;
  blockedUntilMs: number;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

/** An attempt that was let through; it counts as failed unless told otherwise. */
export interface Attempt {
  succeeded(): void;
  /** Nothing was tried. */
  withdraw(): void;
}

export class Throttle {
  private readonly clock: Clock;
  private readonly pairs: BoundedMap<Pair>;
  private readonly addresses: BoundedMap<Bucket>;
  private readonly accounts: BoundedMap<Bucket>;
  private readonly trusted: BoundedMap<true>;

  constructor(clock: Clock, entriesMax: number = throttleEntriesMax) {
    this.clock = clock;
    this.pairs = new BoundedMap(entriesMax);
    this.addresses = new BoundedMap(entriesMax);
    this.accounts = new BoundedMap(entriesMax);
    this.trusted = new BoundedMap(entriesMax);
  }

  /** Throws `too_many_attempts`, counting nothing. */
  begin(name: string, address: string): Attempt {
    const now = this.clock.monotonicMs();
    const account = name.slice(0, accountCharactersMax);
    const network = networkOf(address);
    const key = `${network} ${account}`;
    const pair = this.pairOf(key, now);
    const trusted = this.trusted.get(key) === true;
    const from = trusted ? null : bucketOf(this.addresses, network, addressBurst, addressRefillMs, now);
    const all = trusted ? null : bucketOf(this.accounts, account, accountBurst, accountRefillMs, now);
    const waitMs = Math.max(pair.blockedUntilMs - now, from === null ? 0 : waitOf(from, addressRefillMs), all === null ? 0 : waitOf(all, accountRefillMs));
    if (waitMs > 0) throw tooMany(waitMs);

    const blockedBeforeMs = pair.blockedUntilMs;
    pair.attempts++;
    pair.lastMs = now;
    if (pair.attempts >= pairFreeAttempts) pair.blockedUntilMs = now + Math.min(isLoopback(network) ? loopbackPairWaitMsMax : pairWaitMsMax, pairWaitMsFirst * 2 ** Math.min(30, pair.attempts - pairFreeAttempts));
    this.pairs.set(key, pair);
    if (from !== null) this.addresses.set(network, spend(from));
    if (all !== null) this.accounts.set(account, spend(all));
    return this.attempt({ key, account, pair, blockedBeforeMs, from, all });
  }

  private attempt(of: { key: string; account: string; pair: Pair; blockedBeforeMs: number; from: Bucket | null; all: Bucket | null }): Attempt {
    const { key, account, pair, blockedBeforeMs, from, all } = of;
    const blockedUntilMs = pair.blockedUntilMs;
    return {
      succeeded: () => {
        giveBack(from, addressBurst);
        this.pairs.delete(key);
        this.accounts.delete(account);
        this.trusted.set(key, true);
      },
      withdraw: () => {
        giveBack(from, addressBurst);
        giveBack(all, accountBurst);
        pair.attempts = Math.max(0, pair.attempts - 1);
        // Unless a later attempt has set another one.
        if (pair.blockedUntilMs === blockedUntilMs) pair.blockedUntilMs = blockedBeforeMs;
      },
    };
  }

  private pairOf(key: string, now: number): Pair {
    const pair = this.pairs.get(key);
    if (pair !== undefined && now - pair.lastMs <= pairForgetMs) return pair;
    return { attempts: 0, lastMs: now, blockedUntilMs: 0 };
  }
}

/** The bucket as it is now. */
function bucketOf(buckets: BoundedMap<Bucket>, key: string, burst: number, refillMs: number, now: number): Bucket {
  const bucket = buckets.get(key) ?? { tokens: burst, atMs: now };
  bucket.tokens = Math.min(burst, bucket.tokens + (now - bucket.atMs) / refillMs);
  bucket.atMs = now;
  return bucket;
}

function spend(bucket: Bucket): Bucket {
  bucket.tokens--;
  return bucket;
}

function giveBack(bucket: Bucket | null, burst: number): void {
  if (bucket !== null) bucket.tokens = Math.min(burst, bucket.tokens + 1);
}

function waitOf(bucket: Bucket, refillMs: number): number {
  return bucket.tokens >= 1 ? 0 : (1 - bucket.tokens) * refillMs;
}

function tooMany(waitMs: number): ControlError {
  const retryAfterSec = Math.ceil(waitMs / 1000);
  return new ControlError("too_many_attempts", "Too many log-in attempts for this account or from this address.", { hint: `Try again in ${retryAfterSec} seconds.`, retryAfterSec });
}
