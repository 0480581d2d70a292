import type { Timer } from "#base/clock.ts";
import type { NtlmExchange } from "#auth/ntlm.ts";
import type { Session } from "./session.ts";

/** Log-ins one connection may have under way. */
export const setupsMax = 64;
/** So long a log-in may take from its first message to its last. */
export const setupMs = 45_000;

/** What a log-in is for. */
export const Purpose = {
  /** A session of its own. */
  begin: 0,
  /** Another connection of a session there is. */
  bind: 1,
  /** Its user proves again who he is. */
  renew: 2,
} as const;
export type Purpose = (typeof Purpose)[keyof typeof Purpose];

/** A log-in under way on a connection (MS-SMB2 3.3.5.5). */
export class Setup {
  readonly session: Session;
  readonly purpose: Purpose;
  /** The preauthentication integrity hash of its own messages (3.1.1). */
  preauth: Uint8Array;
  exchange: NtlmExchange | null = null;
  mechanismList: Uint8Array | null = null;
  timer: Timer | null = null;

  constructor(session: Session, purpose: Purpose, preauth: Uint8Array) {
    this.session = session;
    this.purpose = purpose;
    this.preauth = preauth;
  }
}
