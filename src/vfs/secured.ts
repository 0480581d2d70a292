import type { Time } from "#base/time.ts";
import type { Ace, SecurityDescriptor, Sid } from "#model/acl.ts";
import type { Credentials } from "#model/credentials.ts";
import type { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import type { Change } from "./file-system.ts";

/** A new owner or group: the number that stands for the SID, null where none does. */
export interface NewOwner {
  readonly sid: Sid;
  readonly id: number | null;
}

/** A new list of a descriptor with its control bits; `entries` null: everybody may do everything. */
export interface NewList {
  readonly entries: readonly Ace[] | null;
  readonly control: number;
}

/** What is to become of an object's security descriptor; absent: it stays as it is. */
export interface SecurityRequest {
  readonly owner?: NewOwner;
  readonly group?: NewOwner;
  readonly dacl?: NewList;
  readonly sacl?: NewList;
}

/** Security descriptors, which where one is stored decide for every protocol who may do what. */
export interface SecuredFiles {
  /**
   * Changes an object's descriptor, which is stored from then on; `Inode.security` has it. For whom the stored descriptor gives
   * WRITE_DAC (lists) and WRITE_OWNER, the superuser and admins. `invalid`: that owner can't be given (he has to be the caller or one of
   * his groups), or the descriptor is too long.
   */
  setSecurity(who: Credentials, id: FileId, request: SecurityRequest): Promise<Change | FsError>;
  /**
   * Has `Inode.changeTime` tell this of an object that is in memory, until it changes or is pushed out. ctime itself nobody sets: NFS
   * clients know by it what changed.
   */
  tellChangeTime(id: FileId, time: Time): void;
}

/** How a new object is secured: a descriptor its maker gives it instead of what it would inherit. */
export interface MadeSecurity {
  readonly security?: SecurityDescriptor;
  /** The maker's protocol has descriptors: without one to inherit, in a directory that has one, the object is its owner's alone. */
  readonly secured?: boolean;
}
