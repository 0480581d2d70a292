import type { Time } from "#base/time.ts";
import type { Credentials } from "#model/credentials.ts";
import { AccessLevel, type KnownUser } from "#model/identity.ts";
import { type Claim, credentialsOf } from "#vfs/access/credentials.ts";
import type { SharePolicy } from "#vfs/access/policy.ts";
import type { FileSystem } from "#vfs/file-system.ts";

/** A session's connection to a share (MS-SMB2 3.3.1.9). */
export class Tree {
  readonly id: number;
  /** Null: IPC$, which has pipes and no files. */
  readonly fs: FileSystem | null;
  readonly connectedAt: Time;
  private readonly user: KnownUser;
  private policy: SharePolicy | null = null;
  private who: Credentials | null = null;

  constructor(id: number, fs: FileSystem | null, user: KnownUser, connectedAt: Time) {
    this.id = id;
    this.fs = fs;
    this.user = user;
    this.connectedAt = connectedAt;
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

  /** Whether the share's policy of this moment lets its user in from this address. */
  admits(address: string): boolean {
    return this.fs === null || (this.fs.policy.admits("smb", address) && this.credentials().access !== AccessLevel.none);
  }

  /** His groups may be others than at the log-in. */
  private claim({ identity }: SharePolicy): Claim {
    const { uid, gid, groups } = identity.userByUid(this.user.uid) ?? this.user;
    return { uid, gid, gids: groups };
  }
}
