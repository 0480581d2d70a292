import { createHash } from "node:crypto";
import type { Connection } from "#net/index.ts";
import { HeaderFlag, nextCommandAt } from "#wire/smb2/header.ts";
import type { Call } from "./call.ts";
import { CreditWindow } from "./credits.ts";
import { Opens } from "./open/open.ts";
import type { SmbServer } from "./server.ts";
import type { Session } from "./session/session.ts";

/** Sessions one connection may have. */
export const sessionsMax = 256;
export const preauthBytes = 64;

/** What is known of a client's connection (MS-SMB2 3.3.1.7). */
export class SmbConnection {
  readonly server: SmbServer;
  readonly transport: Connection<SmbConnection>;
  readonly credits: CreditWindow = new CreditWindow();
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

  /** Sends the answers of `call`, signed where they are to be. */
  send(call: Call): void {
    if (this.transport.closed) return;
    const message = this.protect(call);
    const out = this.transport.beginMessage();
    const length = out.length + message.length;
    if (out.bytes.length < length) {
      const grown = new Uint8Array(Math.max(length, out.bytes.length * 2));
      grown.set(out.bytes.subarray(0, out.length));
      out.bytes = grown;
    }
    out.bytes.set(message, out.length);
    out.length = length;
    this.transport.endMessage();
    call.afterSend?.();
  }

  /** The answers as they are sent: encrypted where the request was, else signed where they are to be. */
  private protect(call: Call): Uint8Array {
    const sealer = call.encrypted ? (call.session?.sealer ?? null) : null;
    const { bytes, length } = call.out;
    if (sealer !== null && call.session !== null) return sealer.seal(bytes.subarray(0, length), call.session.id);
    this.sign(call);
    return bytes.subarray(0, length);
  }

  private sign(call: Call): void {
    const signer = call.session?.signer ?? null;
    if (signer === null) return;
    const { bytes, length } = call.out;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; ; ) {
      const next = view.getUint32(at + nextCommandAt, true);
      if ((view.getUint32(at + 16, true) & HeaderFlag.SIGNED) !== 0) signer.sign(bytes, at, next === 0 ? length : at + next, []);
      if (next === 0) return;
      at += next;
    }
  }

  close(why: string): void {
    this.server.logger.info({ client: this.transport.address }, `closed an SMB connection: ${why}`);
    this.transport.close();
  }
}

/** The next link of a preauthentication integrity hash (MS-SMB2 3.3.5.4). */
export function chained(hash: Uint8Array, message: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha512").update(hash).update(message).digest());
}

