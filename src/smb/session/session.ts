import type { KnownUser } from "#model/identity.ts";
import type { LeWriter } from "#wire/le.ts";
import type { Command } from "#wire/smb2/header.ts";
import type { SmbConnection } from "../connection.ts";
import type { Sealer } from "../crypto/sealing.ts";
import type { Signer } from "../crypto/signing.ts";
import type { Tree } from "../tree/tree.ts";

/** Trees one session may be connected to. */
export const treesMax = 1024;
/** Connections one session may use; Windows has as many. */
export const channelsMax = 32;
/** Files one session may have open. */
export const sessionOpensMax = 131_072;

/** Whom a session was opened for: somebody who proved to be him, somebody unknown who is let in as a guest, or nobody. */
export const SessionKind = { user: 0, guest: 1, anonymous: 2 } as const;
export type SessionKind = (typeof SessionKind)[keyof typeof SessionKind];

/** A connection a session uses (MS-SMB2 3.3.1.14): each signs with a key of its own. */
export class Channel {
  readonly session: Session;
  readonly connection: SmbConnection;
  /** Null: a guest's or nobody's, who has no key. */
  readonly signer: Signer | null;

  constructor(session: Session, connection: SmbConnection, signer: Signer | null) {
    this.session = session;
    this.connection = connection;
    this.signer = signer;
  }
}

/**
 * Somebody's session (MS-SMB2 3.3.1.8). It belongs to the server: trees and open files are its own, and go when it ends, however many
 * connections it uses meanwhile.
 */
export class Session {
  /** 31 bits: there are clients that keep no more. The other half in a header is 0. */
  readonly id: number;
  /** What its files' ids have in them that no other start of the server has. */
  readonly salt: number;
  /** Null: nobody has proven yet whom it is for. */
  user: KnownUser | null = null;
  kind: SessionKind = SessionKind.user;
  /** The session epoch of the user's account when he logged in. */
  epoch = 0;
  /** When its user has to prove again who he is, on the monotonic clock; 0: never. */
  expiresMs = 0;
  /** What the connection it began on had agreed on: others have to agree on the same to be bound to it. */
  dialect = 0;
  signing = 0;
  cipher = 0;
  /** Signs on the connection it began on, and proves that a connection to be bound is its client's. */
  signer: Signer | null = null;
  /** Null: nothing was agreed on to encrypt with. */
  sealer: Sealer | null = null;
  /** Every request has to be encrypted. */
  encryptionRequired = false;
  /** What the server says unasked is encrypted: all of the session is, or a share it is connected to. */
  seals = false;
  /** Every request has to be signed. */
  signingRequired = false;
  readonly trees: Map<number, Tree> = new Map<number, Tree>();
  readonly channels: Channel[] = [];
  /** Files it has open. */
  opens = 0;
  ended = false;
  private treeIds = 0;

  constructor(id: number, salt: number) {
    this.id = id;
    this.salt = salt;
  }

  get valid(): boolean {
    return this.user !== null && !this.ended;
  }

  /** Guests are one user, who are not told apart by anything. */
  isOfSameUser({ kind, user }: Session): boolean {
    return this.user !== null && this.kind === kind && this.user.uid === user?.uid;
  }

  /** An id no tree of this session has. */
  nextTreeId(): number {
    return ++this.treeIds;
  }

  /** The connection it uses last, which its client had reason to open; null: it has none at the moment. */
  get connection(): SmbConnection | null {
    return this.channels.at(-1)?.connection ?? null;
  }

  /**
   * Sends a message nobody asked for, such as the break of an oplock, on one of its connections, which it gives; null: there is none it
   * could go by.
   */
  notify(command: Command, write: (w: LeWriter) => void): SmbConnection | null {
    const connection = this.reachable();
    connection?.notify(this, command, write);
    return connection;
  }

  /**
   * The connection by which its client is to be reached: the first of its channels that is there (MS-SMB2 3.3.4.1.6). One whose machine was
   * found to acknowledge nothing is passed over while there is another.
   */
  reachable(): SmbConnection | null {
    let deaf: SmbConnection | null = null;
    for (let i = 0; i < this.channels.length; i++) {
      const { connection } = this.channels[i]!;
      if (connection.transport.closed) continue;
      if (!connection.deaf) return connection;
      deaf ??= connection;
    }
    return deaf;
  }
}
