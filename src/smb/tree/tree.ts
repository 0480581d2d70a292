import type { Time } from "#base/time.ts";
import type { Credentials } from "#model/credentials.ts";
import { AccessLevel } from "#model/identity.ts";
import { type Claim, credentialsOf } from "#vfs/access/credentials.ts";
import type { SharePolicy } from "#vfs/access/policy.ts";
import type { FileSystem } from "#vfs/file-system.ts";
import type { Open } from "../open/open.ts";
import { admitsGuests } from "../session/guests.ts";
import { type Session, SessionKind } from "../session/session.ts";

/** A session's connection to a share (MS-SMB2 3.3.1.9). */
export class Tree {
  readonly id: number;
  /** Null: IPC$, which has pipes and no files. */
  readonly fs: FileSystem | null;
  readonly session: Session;
  readonly connectedAt: Time;
  /** From where it was connected. */
  readonly address: string;
  /** Every request has to be encrypted. */
  encryptionRequired = false;
  /** Its client asked what the server can do for Apple's: it means by some requests what they mean. */
  appleClient = false;
  /** It reads listings as macOS wants them. */
  appleListings = false;
  readonly opens: Set<Open> = new Set<Open>();
  /** Nobody goes on in it. */
  ended = false;
  /** Ends the waits of CREATEs in it for what others cache. */
  readonly waits: Set<() => void> = new Set<() => void>();
  private policy: SharePolicy | null = null;
  private who: Credentials | null = null;

  constructor(id: number, fs: FileSystem | null, session: Session, connectedAt: Time, address: string) {
    this.id = id;
    this.fs = fs;
    this.session = session;
    this.connectedAt = connectedAt;
    this.address = address;
  }

  /** Whom the session's user is here, under the share's policy of this moment. */
  credentials(): Credentials {
    const { policy } = this.fs!;
    if (this.who === null || this.policy !== policy) {
      this.policy = policy;
      this.who = credentialsOf(policy, this.claim(policy));
    }
    return this.who;
  }

  /** The session's user is another now. */
  userChanged(): void {
    this.who = null;
  }

  /** Whether the share's policy of this moment lets its user in from this address. */
  admits(address: string): boolean {
    const { fs } = this;
    if (fs === null) return true;
    if (this.session.kind !== SessionKind.user && !admitsGuests(fs)) return false;
    return fs.policy.admits("smb", address) && this.credentials().access !== AccessLevel.none;
  }

  /** His groups may be others than at the log-in. A guest claims nothing. */
  private claim({ identity }: SharePolicy): Claim | null {
    const { user, kind } = this.session;
    if (user === null || kind !== SessionKind.user) return null;
    const { uid, gid, groups } = identity.userByUid(user.uid) ?? user;
    return { uid, gid, gids: groups };
  }
}
