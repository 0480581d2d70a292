import { createHash } from "node:crypto";
import type { Connection } from "#net/index.ts";
import { LeWriter, u32 } from "#wire/le.ts";
import { type Command, commandAt, encodeHeader, nextCommandAt, RequestHeader } from "#wire/smb2/header.ts";
import type { Call } from "./call.ts";
import { CreditWindow } from "./credits.ts";
import { closeOpen } from "./open/closing.ts";
import { Opens } from "./open/open.ts";
import { PendingTable } from "./pending.ts";
import type { SmbServer } from "./server.ts";
import type { Session } from "./session/session.ts";

/** Sessions one connection may have. */
export const sessionsMax = 256;
export const preauthBytes = 64;

/** What a message that answers no request has for the request's header (MS-SMB2 2.2.23): all ones for its id. */
const unasked = new RequestHeader();
unasked.messageIdLow = unasked.messageIdHigh = -1;

/** What is known of a client's connection (MS-SMB2 3.3.1.7). */
export class SmbConnection {
  readonly server: SmbServer;
  readonly transport: Connection<SmbConnection>;
  readonly credits: CreditWindow = new CreditWindow();
  readonly pendings: PendingTable = new PendingTable();
  readonly opens: Opens = new Opens();
  readonly sessions: Map<number, Session> = new Map<number, Session>();
  /** 0: not negotiated yet. */
  dialect = 0;
  /** What the client said in its NEGOTIATE, for VALIDATE_NEGOTIATE_INFO. */
  clientGuid: Uint8Array = new Uint8Array(16);
  clientCapabilities = 0;
  clientSecurityMode = 0;
  clientDialects: readonly number[] = [];
  capabilities = 0;
  signing = 0;
  /** 0: nothing is encrypted. */
  cipher = 0;
  /** Chain of the hashes of what was negotiated (3.1.1). */
  preauth: Uint8Array = new Uint8Array(preauthBytes);

  constructor(server: SmbServer, transport: Connection<SmbConnection>) {
    this.server = server;
    this.transport = transport;
  }

  /** Sends the answers of `call` that are complete, encrypted where its message was. */
  sendAnswers(call: Call): void {
    endChain(call);
    this.transmit(call.out.bytes, call.out.length, call.sealedBy);
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
    this.transmit(out.bytes, out.length, session !== null && session.encryptionRequired ? session : null);
  }

  private transmit(bytes: Uint8Array, length: number, sealedBy: Session | null): void {
    if (this.transport.closed) return;
    const sealer = sealedBy?.sealer ?? null;
    const message = sealer === null ? bytes.subarray(0, length) : sealer.seal(bytes.subarray(0, length), sealedBy!.id);
    const out = this.transport.beginMessage();
    const total = out.length + message.length;
    if (out.bytes.length < total) {
      const grown = new Uint8Array(Math.max(total, out.bytes.length * 2));
      grown.set(out.bytes.subarray(0, out.length));
      out.bytes = grown;
    }
    out.bytes.set(message, out.length);
    out.length = total;
    this.transport.endMessage();
  }

  /** The client is gone: whatever it had open is closed, and what waits for others waits no longer. */
  gone(): void {
    for (const open of this.opens.list()) {
      closeOpen(this, open).catch((error: unknown) => this.server.logger.error({ error, path: open.path }, "a file could not be closed after its client was gone"));
    }
    this.server.leaseClients.remove(this);
    this.pendings.cancelOf(null);
    this.sessions.clear();
  }

  close(why: string): void {
    this.server.logger.info({ client: this.transport.address }, `closed an SMB connection: ${why}`);
    this.transport.close();
  }
}

/** The last answer was to be followed by another, which goes in a message of its own or has no answer. */
function endChain(call: Call): void {
  const { out, last } = call;
  if (last.at < 0 || u32(out.bytes, last.at + nextCommandAt) === 0) return;
  out.length = last.end;
  out.bytes.fill(0, last.at + nextCommandAt, last.at + nextCommandAt + 4);
  last.signer?.sign(out.bytes, last.at, last.end, []);
}

/** The next link of a preauthentication integrity hash (MS-SMB2 3.3.5.4). */
export function chained(hash: Uint8Array, message: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha512").update(hash).update(message).digest());
}

