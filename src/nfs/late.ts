import type { Clock } from "#base/clock.ts";
import type { AuthSys } from "#wire/rpc.ts";
import { XdrReader } from "#wire/xdr-reader.ts";
import type { Call } from "./call.ts";
import { answerKeptMs } from "./drc.ts";

/** A call that takes longer is answered by "come back" (NFS3ERR_JUKEBOX), at the next look. */
export const lateMs = 10_000;
const lookMs = 1_000;
/** Calls that go on behind a "come back" at most; those beyond keep their callers waiting. */
export const lateCallsMax = 4_096;
/** Arguments of calls that change names are shorter (two handles, two names, a path); with longer ones a call keeps its caller waiting. */
export const lateArgsBytesMax = 8_192;

/** An answer that nobody waits for goes here. */
class LateOut {
  bytes: Uint8Array = new Uint8Array(512);
  length = 0;
}

/** A call whose caller was told to come back while it goes on: what comes of it is for the same call asked again. */
export class LateCall {
  readonly out = new LateOut();
  readonly call: Call;
  readonly key: string;
  readonly subjects: readonly string[];
  /** Its reply from the xid on; null: it still goes on. */
  answer: Uint8Array | null = null;
  /** Who came back and waits for it; one at most, as it is the answer to one caller. */
  waiter: Call | null = null;
  answeredMs = 0;

  constructor(call: Call, key: string, subjects: readonly string[]) {
    this.call = call;
    this.key = key;
    this.subjects = subjects;
  }
}

/** The late calls of one client's address. */
class LateClient {
  readonly byKey = new Map<string, LateCall>();
  /** Those that are about a name of a directory. */
  readonly bySubject = new Map<string, Set<LateCall>>();
}

/**
 * Nobody waits for ever: a call that changes names and is not answered after some seconds, as what it did can't be made as safe as its answer
 * says while a store is away, has its caller told to come back, and goes on. A client does come back, with the same call under a new
 * xid; doing that again would refuse a name that the first made, or not find one that it took away. So the repeat waits for the same answer
 * and gets it, once: a call is known by its client's address, who asks (without the credential's stamp, which old Linux clients renew), procedure
 * and arguments. Another that asks for the same while one waits is another process, or another machine behind the same address: it is
 * done by itself, so that of two that make a directory as a lock one hears that it did.
 *
 * To come back means another xid (RFC 1813 §2.6, NFS3ERR_JUKEBOX): who sends the one he was told that under once more is told so again, as a client that
 * listens to that no more would use the answer up.
 *
 * A client whose process was killed meanwhile doesn't come back, and may mean another thing by the same words later. Linux keeps a
 * directory's other changes waiting while it repeats one; so another change of the same name by the same client says that the late call
 * is not waited for any more, and it is forgotten.
 */
export class LateCalls {
  /** Callers told to come back since the start. */
  told = 0;
  private readonly clock: Clock;
  private readonly finish: (call: Call) => void;
  private readonly clients = new Map<string, LateClient>();
  private count = 0;
  /** Calls whose callers were told to come back and which aren't done yet, kept for the same asked again or not. */
  private goOn = 0;
  private oldest: Call | null = null;
  private newest: Call | null = null;
  private looks = 0;
  private ticking = false;

  /** `finish` is called for each caller that was answered here. */
  constructor(clock: Clock, finish: (call: Call) => void) {
    this.clock = clock;
    this.finish = finish;
  }

  get size(): number {
    return this.count;
  }

  /** The call waits for something. `args`: its arguments as they were received, of which it keeps a copy. */
  waits(call: Call, args: Uint8Array): void {
    if (args.length > lateArgsBytesMax) return;
    call.args = args.slice();
    call.sinceLook = this.looks;
    call.older = this.newest;
    if (this.newest === null) this.oldest = call;
    else this.newest.newer = call;
    this.newest = call;
    this.tick();
  }

  /** It does no more. */
  settled(call: Call): void {
    if (call.args === null) return;
    const { older, newer } = call;
    if (older === null) this.oldest = newer;
    else older.newer = newer;
    if (newer === null) this.newest = older;
    else newer.older = older;
    call.older = call.newer = null;
    call.args = null;
  }

  /** Whether the call is a late one asked again: then it is answered, now or later. */
  joins(call: Call, args: Uint8Array): boolean {
    const client = this.clients.get(call.client.address);
    if (client === undefined || args.length > lateArgsBytesMax) return false;
    const late = client.byKey.get(keyOf(call, args));
    if (late === undefined) {
      for (const subject of subjectsOf(call, args)) for (const other of client.bySubject.get(subject) ?? []) this.forget(other);
      return false;
    }
    if (late.waiter !== null) return false;
    call.standsFor(late.call);
    if (late.answer === null) {
      late.waiter = call;
      call.joined = late;
      this.waits(call, args);
    } else {
      this.forget(late);
      this.answer(call, late, late.answer);
    }
    return true;
  }

  /** The late call was answered. */
  ended(call: Call, late: LateCall): void {
    const answer = late.answer as Uint8Array;
    this.goOn--;
    late.answeredMs = this.clock.monotonicMs();
    const { waiter } = late;
    if (waiter === null && call.repeatable) return;
    this.forget(late);
    if (waiter !== null) this.answer(waiter, late, answer);
  }

  /** Gives a caller the answer to another call, under his own xid. */
  private answer(call: Call, late: LateCall, answer: Uint8Array): void {
    this.settled(call);
    call.repeatable = late.call.repeatable;
    call.status = late.call.status;
    const w = call.beginRaw();
    w.u32(call.xid);
    w.fixedOpaque(answer.subarray(4));
    call.end();
    this.finish(call);
  }

  private tick(): void {
    if (this.ticking) return;
    this.ticking = true;
    this.clock.after(lookMs, () => {
      this.ticking = false;
      this.look();
      if (this.oldest !== null || this.count > 0) this.tick();
    });
  }

  private look(): void {
    this.looks++;
    for (let call = this.oldest; call !== null && (this.looks - call.sinceLook) * lookMs > lateMs; ) {
      const { newer } = call;
      this.isLate(call);
      call = newer;
    }
    if (this.count === 0) return;
    const before = this.clock.monotonicMs() - answerKeptMs;
    for (const { byKey } of [...this.clients.values()]) for (const late of [...byKey.values()]) if (late.answer !== null && late.answeredMs <= before) this.forget(late);
  }

  private isLate(call: Call): void {
    const { comeBack } = call.procedure;
    if (comeBack === undefined || !call.mayComeBack) return;
    const { joined } = call;
    if (joined !== null) {
      joined.waiter = null;
      this.settled(call);
      this.tell(call, comeBack);
      return;
    }
    const args = call.args as Uint8Array;
    const key = keyOf(call, args);
    // The answer kept for the other that asked for the same is his.
    if (this.count >= lateCallsMax || this.goOn >= lateCallsMax || this.clients.get(call.client.address)?.byKey.has(key) === true) return;
    this.settled(call);
    // The answer to this one; what the call itself is answered with goes elsewhere from here on.
    const told = call.toldInstead();
    call.late = new LateCall(call, key, call.isSameAgain ? [] : subjectsOf(call, args));
    this.goOn++;
    // Without names, done again it comes to the same, and what was written in between must not make it look done.
    if (call.late.subjects.length > 0) this.remember(call.late);
    this.tell(told, comeBack);
  }

  private tell(call: Call, comeBack: (call: Call) => void): void {
    this.told++;
    comeBack(call);
    call.repeatable = true;
    this.finish(call);
  }

  private remember(late: LateCall): void {
    const { address } = late.call.client;
    let client = this.clients.get(address);
    if (client === undefined) this.clients.set(address, (client = new LateClient()));
    client.byKey.set(late.key, late);
    for (const subject of late.subjects) {
      const of = client.bySubject.get(subject);
      if (of === undefined) client.bySubject.set(subject, new Set([late]));
      else of.add(late);
    }
    this.count++;
  }

  /** Nobody is given its answer any more but those who wait for it already. */
  private forget(late: LateCall): void {
    const { address } = late.call.client;
    const client = this.clients.get(address);
    if (client === undefined || client.byKey.get(late.key) !== late) return;
    client.byKey.delete(late.key);
    this.count--;
    for (const subject of late.subjects) {
      const of = client.bySubject.get(subject);
      of?.delete(late);
      if (of?.size === 0) client.bySubject.delete(subject);
    }
    if (client.byKey.size === 0) this.clients.delete(address);
  }
}

function keyOf(call: Call, args: Uint8Array): string {
  return `${call.procedure.name} ${whose(call.claim)} ${latin1(args)}`;
}

function whose(claim: AuthSys | null): string {
  return claim === null ? "nobody" : `${claim.uid}:${claim.gid}:${claim.gids.join(",")}`;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/** The names that arguments are about, each with its directory's handle in front. */
function subjectsOf(call: Call, args: Uint8Array): string[] {
  const subjects: string[] = [];
  let index = 0;
  const reader = new XdrReader();
  reader.attach(args, 0, args.length);
  for (const at of call.procedure.namesAt ?? []) {
    for (; index < at; index++) reader.opaque(args.length);
    const from = reader.at;
    reader.opaque(args.length);
    reader.opaque(args.length);
    index += 2;
    subjects.push(latin1(args.subarray(from, reader.at)));
  }
  return subjects;
}
