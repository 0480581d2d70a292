import type { Clock } from "#base/clock.ts";
import type { Call } from "./call.ts";

/** A call that must not be done twice: being done while `answer` is null, done otherwise. */
export class Duplicate {
  readonly key: number;
  readonly xid: number;
  readonly length: number;
  readonly checksum: number;
  /** The reply from its xid on. */
  answer: Uint8Array | null = null;
  /** When it was remembered; what is still being done, or was answered this moment, never is too old. */
  answeredMs = Number.POSITIVE_INFINITY;
  /** The same call, sent again while it was being done; answered with it. */
  waiters: Call[] | null = null;

  constructor(key: number, xid: number, length: number, checksum: number) {
    this.key = key;
    this.xid = xid;
    this.length = length;
    this.checksum = checksum;
  }
}

export interface DuplicateLimits {
  /** Answers kept of one client, and of all. */
  readonly perClientMax: number;
  readonly entriesMax: number;
  /** Bytes of all answers kept. */
  readonly bytesMax: number;
}

export const duplicateLimitDefaults: DuplicateLimits = { perClientMax: 2048, entriesMax: 65_536, bytesMax: 32 * 2 ** 20 };

/**
 * An answer is given again for this long. A client asks again within seconds to a minute; later the same xid is more likely that
 * of another call, of a client that starts its xids anew. The kernel server of Linux keeps answers as long.
 */
export const answerKeptMs = 120_000;

/** Clients looked at for old answers whenever one is kept. */
const clientsLookedAt = 8;

/** What an entry costs beside its answer, about. */
const entryBytes = 256;

/** One client's calls, oldest answer first. */
class ClientDuplicates {
  readonly calls = new Map<number, Duplicate>();
  answered: Duplicate[] = [];
  answeredFrom = 0;
  bytes = 0;
}

/**
 * The duplicate-request cache: clients repeat a call on a new connection when the reply was lost, and REMOVE done twice answers
 * NOENT for a file that was removed. A call is known by its client's address (the port changes), its xid, and two checksums and
 * the length of its bytes: program, version, procedure, credential and arguments. One client's flood pushes out its
 * own answers first; the total is bounded by pushing out those of the client that was quiet longest. Answers that are too old go
 * when others are kept, whosever they are.
 */
export class DuplicateCache {
  hits = 0;
  joined = 0;
  readonly clock: Clock;
  private readonly limits: DuplicateLimits;
  /** Least recently active first. */
  private readonly clients = new Map<string, ClientDuplicates>();
  private entries = 0;
  private bytes = 0;

  constructor(clock: Clock, limits: DuplicateLimits = duplicateLimitDefaults) {
    this.clock = clock;
    this.limits = limits;
  }

  get size(): number {
    return this.entries;
  }

  get sizeBytes(): number {
    return this.bytes;
  }

  /** The call of these bytes (`call[start..end)`, from its xid on) if it is known; null where it is new, and then being done. */
  find(address: string, bytes: Uint8Array, start: number, end: number, into: Call): Duplicate | null {
    const message = bytes.subarray(start, end);
    // Two independent 32-bit checksums: they only have to tell apart calls to which one client gave the same xid.
    const checksum = Bun.hash.xxHash32(message);
    const key = Bun.hash.crc32(message) * keySpread + (checksum % keySpread);
    let client = this.clients.get(address);
    if (client === undefined) {
      client = new ClientDuplicates();
      this.clients.set(address, client);
    }
    let known = client.calls.get(key);
    if (known !== undefined && this.isOld(known, this.clock.monotonicMs())) {
      this.dropThrough(client, known);
      known = undefined;
    }
    if (known === undefined) {
      const entry = new Duplicate(key, into.xid, message.length, checksum);
      client.calls.set(key, entry);
      into.duplicate = entry;
      return null;
    }
    // Another call on the same key: it goes unremembered.
    if (known.xid !== into.xid || known.length !== message.length || known.checksum !== checksum) return null;
    if (known.answer === null) {
      this.joined++;
      (known.waiters ??= []).push(into);
    } else this.hits++;
    return known;
  }

  /** The call was answered; `keep` false forgets it (JUKEBOX, errors of RPC): doing it again is what the client should do. */
  finish(address: string, entry: Duplicate, keep: boolean): void {
    const client = this.clients.get(address);
    if (client === undefined) return;
    if (!keep || entry.answer === null) {
      client.calls.delete(entry.key);
      if (client.calls.size === 0) this.clients.delete(address);
      return;
    }
    const bytes = entry.answer.length + entryBytes;
    const now = this.clock.monotonicMs();
    entry.answeredMs = now;
    client.answered.push(entry);
    client.bytes += bytes;
    this.entries++;
    this.bytes += bytes;
    if (client.answered.length - client.answeredFrom > this.limits.perClientMax) this.dropOldest(client);
    this.clients.delete(address);
    this.clients.set(address, client);
    this.dropOld(now);
    while (this.entries > this.limits.entriesMax || this.bytes > this.limits.bytesMax) {
      if (!this.dropFromQuietest()) return;
    }
  }

  private isOld(entry: Duplicate, nowMs: number): boolean {
    return nowMs - entry.answeredMs >= answerKeptMs;
  }

  /** Drops a client's answers up to and with this one, which are all at least as old. */
  private dropThrough(client: ClientDuplicates, entry: Duplicate): void {
    while (client.calls.get(entry.key) === entry) this.dropOldest(client);
  }

  /** Drops what is too old, of the clients that were quiet longest; a few at a time, as this is done often. */
  private dropOld(nowMs: number): void {
    let looked = 0;
    for (const [address, client] of this.clients) {
      if (looked++ === clientsLookedAt) return;
      let oldest = client.answered[client.answeredFrom];
      if (oldest !== undefined && !this.isOld(oldest, nowMs)) return;
      while (oldest !== undefined && this.isOld(oldest, nowMs)) {
        this.dropOldest(client);
        oldest = client.answered[client.answeredFrom];
      }
      if (client.calls.size === 0) this.clients.delete(address);
    }
  }

  private dropFromQuietest(): boolean {
    for (const [address, client] of this.clients) {
      if (client.answered.length === client.answeredFrom) continue;
      this.dropOldest(client);
      if (client.calls.size === 0) this.clients.delete(address);
      return true;
    }
    return false;
  }

  private dropOldest(client: ClientDuplicates): void {
    const entry = client.answered[client.answeredFrom++]!;
    client.calls.delete(entry.key);
    const bytes = entry.answer!.length + entryBytes;
    client.bytes -= bytes;
    this.entries--;
    this.bytes -= bytes;
    if (client.answeredFrom >= 1024 || client.answeredFrom === client.answered.length) {
      client.answered = client.answered.slice(client.answeredFrom);
      client.answeredFrom = 0;
    }
  }
}

/** A key is 32 bits of one checksum and these many values of the other: below 2^53. */
const keySpread = 2 ** 21;
