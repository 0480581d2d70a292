import type { Credentials } from "#model/credentials.ts";
import { type Claim, credentialsOf } from "#vfs/access/credentials.ts";
import type { SharePolicy } from "#vfs/access/policy.ts";
import type { FileSystem } from "#vfs/file-system.ts";

/** A session's connection to a share (MS-SMB2 3.3.1.9). */
export class Tree {
  readonly id: number;
  /** Null: IPC$, which has pipes and no files. */
  readonly fs: FileSystem | null;
  private readonly claim: Claim;
  private policy: SharePolicy | null = null;
  private who: Credentials | null = null;

  constructor(id: number, fs: FileSystem | null, claim: Claim) {
    this.id = id;
    this.fs = fs;
    this.claim = claim;
  }

  /** Whom the session's user is here, under the share's policy of this moment. */
  credentials(): Credentials {
    const { policy } = this.fs!;
    if (this.who === null || this.policy !== policy) {
      this.policy = policy;
      this.who = credentialsOf(policy, this.claim);
    }
    return this.who;
  }
}
