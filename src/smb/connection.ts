import { createHash } from "node:crypto";
import type { Timer } from "#base/clock.ts";
import type { Connection } from "#net/index.ts";
import type { ContentRead } from "#model/file-content.ts";
import { i32, LeWriter } from "#wire/le.ts";
import { type Command, commandAt, encodeHeader, nextCommandAt, RequestHeader, transformHeaderBytes } from "#wire/smb2/header.ts";
import { Capability, Dialect } from "#wire/smb2/negotiate.ts";
import { Call, lentBytesMin } from "./call.ts";
import type { Sealer } from "./crypto/sealing.ts";
import type { Signer } from "./crypto/signing.ts";
import { CreditWindow } from "./credits.ts";
import { ToldBreaks } from "./lease/told-breaks.ts";
import type { Opens } from "./open/opens.ts";
import { PendingTable } from "./pending.ts";
import type { SmbServer } from "./server.ts";
import { Ending, endSession } from "./session/ending.ts";
import { type Channel, type Session } from "./session/session.ts";
import { type Setup, setupMs } from "./session/setup.ts";

/** Sessions one connection may use. */
export const connectionSessionsMax = 1024;
/** A connection nobody has logged in on for so long is closed. */
export const withoutSessionMs = 120_000;
const preauthBytes = 64;
/** A call whose answer grew past this is not kept for the next. */
const spareBytesMax = 128 * 1024;
/** So few bytes are copied faster one by one than by a view of them. */
const fewBytes = 192;
/** Most bytes of anything in the dialect without multi-credit requests. */
const transferBytesSmall = 65_536;

/** What a message that answers no request has for the request's header (MS-SMB2 2.2.23): all ones for its id. */
const unasked = new RequestHeader();
unasked.messageIdLow = unasked.messageIdHigh = -1;

/** How a connection differs from others because its client asked for that (`torture`). */
interface Tested {
  /** What is sent on it counts as lost. */
  unheard: boolean;
  /** Bytes between the header of a READ's answer and the data. */
  readPadding: number;
}

/** What is known of a client's connection (MS-SMB2 3.3.1.7). */
export class SmbConnection {
  readonly server: SmbServer;
  readonly transport: Connection<SmbConnection>;
  readonly credits: CreditWindow = new CreditWindow();
  readonly pendings: PendingTable = new PendingTable();
  /** The sessions it carries, by their ids. */
  readonly channels: Map<number, Channel> = new Map<number, Channel>();
  /** Log-ins under way, by the same. */
  readonly setups: Map<number, Setup> = new Map<number, Setup>();
  /** What its client is to agree to, as it was told here. */
  readonly told: ToldBreaks = new ToldBreaks(this);
  /** When it was found that nothing gets through to the client, on the monotonic clock; 0: never. */
  deafAtMs = 0;
  /** What its client asked for to test itself and us, as Samba's test suite does. */
  readonly tested: Tested = { unheard: false, readPadding: 0 };
  private idle: Timer | null = null;
  private spare: Call | null = null;
  /** 0: not negotiated yet. */
  dialect = 0;
  /** What the client said in its NEGOTIATE, for VALIDATE_NEGOTIATE_INFO. */
  clientGuid: Uint8Array = new Uint8Array(16);
  clientCapabilities = 0;
  clientSecurityMode = 0;
  clientDialects: readonly number[] = [];
  capabilities = 0;
  /** Most bytes of a READ or a WRITE, as NEGOTIATE said (MS-SMB2 3.3.1.7, Connection.MaxReadSize, MaxWriteSize). */
  transferBytesMax: number = transferBytesSmall;
  /** As the client was told in the answer to its NEGOTIATE. */
  securityMode = 0;
  signing = 0;
  /** 0: nothing is encrypted. */
  cipher = 0;
  /** Chain of the hashes of what was negotiated (3.1.1). */
  preauth: Uint8Array = new Uint8Array(preauthBytes);

  constructor(server: SmbServer, transport: Connection<SmbConnection>) {
    this.server = server;
    this.transport = transport;
    this.awaitSession();
  }

  /** A call for the next message: the one before, if that was answered without waiting for anything. */
  takeCall(): Call {
    const { spare } = this;
    if (spare === null) return new Call(this);
    this.spare = null;
    return spare;
  }

  /** Nobody holds this call any more. */
  giveCall(call: Call): void {
    if (call.out.bytes.length > spareBytesMax) return;
    call.clear();
    this.spare = call;
  }

  /** A dialect is agreed on; an SMB1 client that was told of several has yet to choose one. */
  get negotiated(): boolean {
    return this.dialect !== 0 && this.dialect !== Dialect.WILDCARD;
  }

  /** Most bytes of any other request's or answer's buffer, as NEGOTIATE said (MaxTransactSize). */
  get transactBytesMax(): number {
    return (this.capabilities & Capability.LARGE_MTU) === 0 ? transferBytesSmall : this.server.transferBytesMax;
  }

  /** What it is told it can do, and how much at a time: with `bytesMax` where the dialect has multi-credit requests. */
  offer(capabilities: number, bytesMax: number): void {
    this.capabilities = capabilities;
    this.transferBytesMax = (capabilities & Capability.LARGE_MTU) === 0 ? transferBytesSmall : bytesMax;
  }

  /** Nothing gets through to the client, and nothing has come from it since that was found. */
  get deaf(): boolean {
    return this.deafAtMs > 0 && this.transport.heardMs <= this.deafAtMs;
  }

  /** The open files of the server: those of this connection's sessions are found by their trees. */
  get opens(): Opens {
    return this.server.opens;
  }

  /** The session a header names, where this connection carries it. */
  channel(low: number, high: number): Channel | null {
    return high === 0 ? (this.channels.get(low) ?? null) : null;
  }

  /** It carries a session from now on. */
  addChannel(channel: Channel): void {
    this.channels.set(channel.session.id, channel);
    this.transport.setExpendable(false);
  }

  /** Where nobody is logged in: somebody has to, in time, and as long as there is room. */
  awaitSession(): void {
    if (this.channels.size > 0) return;
    this.transport.setExpendable(true);
    if (this.idle !== null) return;
    this.idle = this.server.clock.after(withoutSessionMs, () => {
      this.idle = null;
      if (this.channels.size === 0 && !this.transport.closed) this.close("nobody logged in on it");
    });
  }

  addSetup(setup: Setup): void {
    this.setups.set(setup.session.id, setup);
    setup.timer = this.server.clock.after(setupMs, () => this.endSetup(setup));
    if (!setup.session.valid) this.server.sessions.begin(setup.session, () => this.endSetup(setup));
  }

  /** The log-in is done, or failed, or took too long: a session only begun by it is gone. */
  endSetup(setup: Setup): void {
    setup.timer?.cancel();
    this.setups.delete(setup.session.id);
    this.server.sessions.done(setup.session);
    if (!setup.session.valid) this.server.sessions.remove(setup.session);
  }

  /** Sends the answers of `call` that are complete, encrypted where its message was. */
  sendAnswers(call: Call): void {
    endChain(call);
    const { payload } = call;
    call.payload = null;
    this.transmit(call.out.bytes, call.out.length, call.sealedBy, payload, call.last.signer);
  }

  /**
   * Sends a message nobody asked for, whose body `write` encodes: a break of an oplock or lease (MS-SMB2 3.3.4.6, 3.3.4.7). It belongs to
   * no request and is never signed; encrypted where `session` has to be.
   */
  notify(session: Session | null, command: Command, write: (w: LeWriter) => void): void {
    const out = { bytes: new Uint8Array(256), length: 0 };
    const w = new LeWriter();
    w.attach(out);
    encodeHeader(w, unasked, 0, 0, 0);
    w.setU16(commandAt, command);
    write(w);
    w.commit();
    this.transmit(out.bytes, out.length, session !== null && session.seals ? session : null, null, null);
    // On its way before the answer to what it is about, which goes to another client and may leave any moment.
    if (!this.transport.closed) this.transport.flush();
  }

  /** `payload` follows: one that is short, which is only now signed, by `signer`; one that is not, as it lies, or encrypted. */
  private transmit(bytes: Uint8Array, length: number, sealedBy: Session | null, payload: ContentRead | null, signer: Signer | null): void {
    const { transport } = this;
    if (transport.closed) {
      payload?.release();
      return;
    }
    const sealer = sealedBy?.sealer ?? null;
    if (sealer !== null) return this.transmitSealed(sealer, bytes, length, sealedBy!.id, payload);
    const out = transport.beginMessage();
    const at = out.length;
    const copied = payload !== null && payload.length < lentBytesMin ? payload : null;
    reserve(out, copied === null ? length : length + copied.length);
    if (length <= fewBytes) for (let i = 0; i < length; i++) out.bytes[at + i] = bytes[i]!;
    else out.bytes.set(length === bytes.length ? bytes : bytes.subarray(0, length), at);
    out.length += length;
    if (copied !== null) {
      for (let i = 0; i < copied.slices.length; i++) {
        out.bytes.set(copied.slices[i]!, out.length);
        out.length += copied.slices[i]!.length;
      }
      copied.release();
      if (signer !== null) signer.sign(out.bytes, at, out.length, noSlices);
    }
    if (payload === null || copied !== null) transport.endMessage();
    else transport.endMessageWithPayload(payload.slices, payload.length, 0, payload);
  }

  private transmitSealed(sealer: Sealer, bytes: Uint8Array, length: number, sessionId: number, payload: ContentRead | null): void {
    const { transport } = this;
    const out = transport.beginMessage();
    reserve(out, length + transformHeaderBytes);
    const at = out.length;
    out.length += transformHeaderBytes + length;
    if (payload === null) {
      sealer.sealInto(bytes, length, sessionId, out.bytes, at);
      return transport.endMessage();
    }
    const sealed = sealer.sealPieces(bytes, length, payload.slices, payload.length, sessionId, out.bytes, at);
    payload.release();
    transport.endMessageWithPayload(sealed, payload.length, 0, ownMemory);
  }

  /** The client is gone: sessions that have no other connection end, and what waits for others waits no longer. */
  gone(): void {
    this.idle?.cancel();
    for (const setup of [...this.setups.values()]) this.endSetup(setup);
    for (const channel of [...this.channels.values()]) {
      const { session } = channel;
      const at = session.channels.indexOf(channel);
      if (at >= 0) session.channels.splice(at, 1);
      if (session.channels.length === 0) void endSession(this.server, session, Ending.lost);
    }
    this.server.leaseClients.remove(this);
    this.channels.clear();
    this.pendings.cancelOf(null);
    this.told.again();
  }

  close(why: string): void {
    this.server.logger.info({ client: this.transport.address, connection: this.transport.id }, `closed an SMB connection: ${why}`);
    this.transport.refuse();
  }
}

const noSlices: readonly Uint8Array[] = [];
/** What is encrypted has memory of its own, which nobody wants back. */
const ownMemory = { release(): void {} };

/** Room for `more` bytes. */
function reserve(out: { bytes: Uint8Array; length: number }, more: number): void {
  const total = out.length + more;
  if (out.bytes.length >= total) return;
  const grown = new Uint8Array(Math.max(total, out.bytes.length * 2));
  grown.set(out.bytes.subarray(0, out.length));
  out.bytes = grown;
}

/** The last answer was to be followed by another, which goes in a message of its own or has no answer. */
function endChain(call: Call): void {
  const { out, last } = call;
  if (last.at < 0 || i32(out.bytes, last.at + nextCommandAt) === 0) return;
  out.length = last.end;
  out.bytes.fill(0, last.at + nextCommandAt, last.at + nextCommandAt + 4);
  last.signer?.sign(out.bytes, last.at, last.end, []);
}

/** The next link of a preauthentication integrity hash (MS-SMB2 3.3.5.4). */
export function chained(hash: Uint8Array, message: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha512").update(hash).update(message).digest());
}

