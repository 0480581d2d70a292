import type { KnownUser } from "#model/identity.ts";
import type { NtlmExchange } from "#auth/ntlm.ts";
import type { Sealer } from "../crypto/sealing.ts";
import type { Signer } from "../crypto/signing.ts";
import type { Tree } from "../tree/tree.ts";

/** Trees one session may be connected to. */
export const treesMax = 1024;

/** What a session is from its first SESSION_SETUP on (MS-SMB2 3.3.1.8). */
export class Session {
  readonly id: number;
  /** The preauthentication integrity hash of its own SESSION_SETUPs (3.1.1). */
  preauth: Uint8Array;
  /** A log-in under way. */
  exchange: NtlmExchange | null = null;
  mechanismList: Uint8Array | null = null;
  /** Whom it belongs to once it is valid. */
  user: KnownUser | null = null;
  /** The session epoch of the user's account when he logged in. */
  epoch = 0;
  signer: Signer | null = null;
  /** Null: nothing was agreed on to encrypt with. */
  sealer: Sealer | null = null;
  /** Every request has to be encrypted. */
  encryptionRequired = false;
  /** Every request has to be signed. */
  signingRequired = false;
  readonly trees: Map<number, Tree> = new Map<number, Tree>();
  private treeIds = 0;

  constructor(id: number, preauth: Uint8Array) {
    this.id = id;
    this.preauth = preauth;
  }

  get valid(): boolean {
    return this.user !== null;
  }

  /** An id no tree of this session has. */
  nextTreeId(): number {
    return ++this.treeIds;
  }
}
