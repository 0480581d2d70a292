import { hooks } from "#telemetry/hooks.ts";
import type { Logger } from "#telemetry/logger.ts";
import { type RequestWatch, unwatched } from "#telemetry/requests/index.ts";
import { tracer } from "#telemetry/tracing/index.ts";
import {
  AcceptStat,
  AuthFlavor,
  type AuthSys,
  AuthStat,
  CallHeader,
  CallOutcome,
  decodeCallHeader,
  encodeAccepted,
  encodeAuthError,
  encodeProgramMismatch,
  encodeRpcMismatch,
} from "#wire/rpc.ts";
import { XdrReader } from "#wire/xdr-reader.ts";
import { XdrWriter } from "#wire/xdr-writer.ts";
import { Call, type Procedure } from "./call.ts";
import type { Client, CredentialStats } from "./client.ts";
import type { Duplicate, DuplicateCache } from "./drc.ts";
import { LateCalls } from "./late.ts";
import { ended, followed } from "./traced.ts";

/** A version of a program: its procedures by number, without holes. */
export interface ProgramVersion {
  readonly version: number;
  readonly procedures: readonly (Procedure | null)[];
}

/** A program, with its versions in rising order. */
export interface Program {
  readonly number: number;
  readonly name: string;
  readonly versions: readonly ProgramVersion[];
}

/** Whoever watches requests, if anybody does now. */
export interface WatchedBy {
  readonly watch: RequestWatch<Call> | null;
}

/** Counters since the start. */
export interface RpcStats extends CredentialStats {
  calls: number;
  /** Answered by an error of RPC instead of being run, or not at all; `denied` for their credentials or verifiers. */
  rejected: number;
  /** Of them, `malformed` for an AUTH_SYS credential that is none. */
  denied: number;
  malformed: number;
  failed: number;
}

/**
 * Takes calls apart, finds their procedure and sees to it that each is answered exactly once: with RPC's own errors where the
 * call is none of ours, with SYSTEM_ERR where a handler throws, from the duplicate-request cache where it was done before.
 * One reader and one writer serve all calls: arguments are decoded, and answers encoded, without waiting in between.
 */
export class Dispatcher {
  readonly stats: RpcStats = { credentials: 0, calls: 0, rejected: 0, denied: 0, malformed: 0, failed: 0 };
  private readonly programs: readonly Program[];
  private readonly duplicates: DuplicateCache | null;
  /** Null without a cache of duplicates. */
  readonly late: LateCalls | null;
  private readonly logger: Logger;
  private readonly requests: WatchedBy;
  private readonly reader = new XdrReader();
  private readonly writer = new XdrWriter();
  private readonly header = new CallHeader();
  /** Where the arguments of the call being dispatched begin. */
  private argsAt = 0;
  /** All of it is in one piece. */
  private isWhole = true;
  /** Made once: a closure in `dispatch` costs every call, although few are followed. */
  private readonly runIt = (call: Call): void => this.run(call);

  constructor(programs: readonly Program[], duplicates: DuplicateCache | null, logger: Logger, requests: WatchedBy = unwatched) {
    this.programs = programs;
    this.duplicates = duplicates;
    this.late = duplicates === null ? null : new LateCalls(duplicates.clock, (call) => this.finish(call));
    this.logger = logger;
    this.requests = requests;
  }

  /** Handles one record. False: it is no call that could be answered, and the stream should be given up. */
  dispatch(
    client: Client,
    bytes: Uint8Array,
    start: number,
    end: number,
    tail: readonly Uint8Array[],
    tailBytes: number,
  ): boolean {
    const reader = this.reader;
    const header = this.header;
    const length = end - start + tailBytes;
    this.stats.calls++;
    reader.attach(bytes, start, end, tail, tailBytes);
    const outcome = decodeCallHeader(reader, header);
    if (outcome !== CallOutcome.ok) return this.refuseHeader(client, outcome, length);
    let claim: AuthSys | null = null;
    if (header.flavor === AuthFlavor.AUTH_SYS) {
      claim = client.authSys(bytes, header.credentialAt, header.credentialLength);
      if (claim === null) {
        this.stats.malformed++;
        return this.denied(client, AuthStat.AUTH_BADCRED, length);
      }
    } else if (header.flavor !== AuthFlavor.AUTH_NONE) {
      return this.denied(client, AuthStat.AUTH_BADCRED, length);
    }
    if (header.verifierFlavor !== AuthFlavor.AUTH_NONE || header.verifierLength !== 0) {
      return this.denied(client, AuthStat.AUTH_BADVERF, length);
    }
    const procedure = this.find(client, length);
    if (procedure === null) return true;
    const call = new Call(client, this.writer, header.xid, procedure, claim, length);
    this.argsAt = reader.at;
    this.isWhole = tailBytes === 0;
    if (procedure.remembered && this.duplicates !== null) {
      const known = this.duplicates.find(client.address, bytes, start, end, call);
      if (known !== null) {
        if (known.answer !== null) this.repeat(call, known.answer);
        return true;
      }
      const { late } = this;
      if (late !== null && late.size > 0 && tailBytes === 0 && this.joins(late, call, bytes.subarray(reader.at, end))) return true;
    }
    if (hooks && tracer !== null && tracer.samples()) followed(tracer, call, header, this.runIt);
    else this.run(call);
    return true;
  }

  /** What was answered at once has left. */
  answersLeft(): void {
    const watch = hooks ? this.requests.watch : null;
    if (watch !== null) watch.answersLeft();
  }

  /** Whether the call is answered, now or later, by what became of a late one. */
  private joins(late: LateCalls, call: Call, args: Uint8Array): boolean {
    const watch = hooks ? this.requests.watch : null;
    if (watch !== null) watch.began(call, call.client.transport.takenMs);
    if (!late.joins(call, args)) return false;
    if (!call.answered && call.beganMs >= 0) watch?.waits(call, call.procedure.operation, call.view === null ? "" : call.view.fs.name);
    return true;
  }

  private run(call: Call): void {
    const watch = hooks ? this.requests.watch : null;
    if (watch !== null) watch.began(call, call.client.transport.takenMs);
    try {
      const pending = call.procedure.run(call, this.reader);
      if (pending instanceof Promise) return this.later(call, pending);
    } catch (error) {
      this.failed(call, error);
      return;
    }
    this.finish(call);
  }

  private later(call: Call, pending: Promise<void>): void {
    const fs = call.view === null ? null : call.view.fs;
    fs?.enter();
    if (call.beganMs >= 0) this.requests.watch?.waits(call, call.procedure.operation, fs === null ? "" : fs.name);
    if (fs?.mayBeLate && call.duplicate !== null && this.isWhole) this.late?.waits(call, this.reader.bytes.subarray(this.argsAt, this.reader.end));
    pending.then(
      () => {
        fs?.leave();
        this.finish(call);
      },
      (error: unknown) => {
        fs?.leave();
        this.failed(call, error);
      },
    );
  }

  private failed(call: Call, error: unknown): void {
    if (!call.answered && call.procedure.trouble?.(call, error) === true) return this.finish(call);
    this.stats.failed++;
    this.logger.error({ ...call.logFields, error }, "a request failed by a fault of this server");
    if (!call.answered) call.reject(AcceptStat.SYSTEM_ERR);
    this.finish(call);
  }

  private finish(call: Call): void {
    if (!call.answered) {
      this.failed(call, new Error(`${call.procedure.name} ended without an answer`));
      return;
    }
    const watch = hooks ? this.requests.watch : null;
    if (hooks && call.span !== null) ended(call.span, call);
    if (watch !== null && call.beganMs >= 0) watch.ended(call, call.procedure.operation, call.view === null ? "" : call.view.fs.name, call.status, call.count);
    const { late, duplicate: entry } = call;
    if (late !== null) {
      this.late?.ended(call, late);
      return;
    }
    if (call.args !== null) this.late?.settled(call);
    if (entry !== null) this.remember(call, entry);
    call.client.transport.requestDone(call.bytes);
  }

  private remember(call: Call, entry: Duplicate): void {
    this.duplicates!.finish(call.client.address, entry, call.repeatable);
    if (entry.waiters === null) return;
    for (const waiter of entry.waiters) this.repeat(waiter, entry.answer!);
    entry.waiters = null;
  }

  /** Answers with the bytes an equal call was answered with: its xid is the same. */
  private repeat(call: Call, answer: Uint8Array): void {
    const transport = call.client.transport;
    const w = this.writer;
    w.attach(transport.beginMessage());
    w.fixedOpaque(answer);
    w.commit();
    transport.endMessage();
    transport.requestDone(call.bytes);
  }

  private find(client: Client, length: number): Procedure | null {
    const { program: number, version, procedure } = this.header;
    for (const program of this.programs) {
      if (program.number !== number) continue;
      for (const each of program.versions) {
        if (each.version !== version) continue;
        const found = procedure < each.procedures.length ? each.procedures[procedure] : null;
        if (found != null) return found;
        this.refuse(client, length, (w, xid) => encodeAccepted(w, xid, AcceptStat.PROC_UNAVAIL));
        return null;
      }
      const low = program.versions[0]!.version;
      const high = program.versions[program.versions.length - 1]!.version;
      this.refuse(client, length, (w, xid) => encodeProgramMismatch(w, xid, low, high));
      return null;
    }
    this.refuse(client, length, (w, xid) => encodeAccepted(w, xid, AcceptStat.PROG_UNAVAIL));
    return null;
  }

  private refuseHeader(client: Client, outcome: CallOutcome, length: number): boolean {
    switch (outcome) {
      case CallOutcome.rpcMismatch:
        return this.refuse(client, length, encodeRpcMismatch);
      case CallOutcome.badCredential:
        return this.denied(client, AuthStat.AUTH_BADCRED, length);
      case CallOutcome.badVerifier:
        return this.denied(client, AuthStat.AUTH_BADVERF, length);
      default:
        this.stats.rejected++;
        client.transport.requestDone(length);
        return false;
    }
  }

  private denied(client: Client, why: AuthStat, length: number): boolean {
    this.stats.denied++;
    return this.refuse(client, length, (w, xid) => encodeAuthError(w, xid, why));
  }

  private refuse(client: Client, length: number, encode: (w: XdrWriter, xid: number) => void): boolean {
    this.stats.rejected++;
    this.writer.attach(client.transport.beginMessage());
    encode(this.writer, this.header.xid);
    this.writer.commit();
    client.transport.endMessage();
    client.transport.requestDone(length);
    return true;
  }
}
