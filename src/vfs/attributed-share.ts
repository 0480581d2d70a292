import type { Maybe } from "#base/brand.ts";
import type { Time } from "#base/time.ts";
import type { Credentials } from "#model/credentials.ts";
import type { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import type { Dirent, Xattr } from "#model/inode.ts";
import type { AttributedFiles, FoldedUp, OpenedStream, XattrChange } from "./attributed.ts";
import { Versioned } from "./cache/versioned.ts";
import type { Change } from "./file-system.ts";
import * as ops from "./ops/index.ts";
import type { Share } from "./share.ts";
import type { SecurityRequest } from "./secured.ts";
import { ShareCore } from "./share-core.ts";

/** Bytes of extended attributes, and names of streams, kept in memory. */
const xattrBytesCached = 32 * 1024 * 1024;
const streamsCached = 65_536;

/** What a share's files have besides content and POSIX attributes. */
export abstract class AttributedShare extends ShareCore implements AttributedFiles {
  readonly xattrCache = new Versioned<readonly Xattr[]>(xattrBytesCached);
  readonly streamCache = new Versioned<readonly Dirent[]>(streamsCached);

  lookupFolded(this: Share, who: Credentials, directory: FileId, name: string): Maybe<FoldedUp | FsError> {
    return ops.lookupFolded(this, who, directory, name);
  }

  xattr(this: Share, who: Credentials, id: FileId, name: string): Maybe<Uint8Array | null | FsError> {
    return ops.xattr(this, who, id, name);
  }

  xattrs(this: Share, who: Credentials, id: FileId): Maybe<readonly Xattr[] | FsError> {
    return ops.xattrs(this, who, id);
  }

  setXattr(this: Share, who: Credentials, id: FileId, name: string, value: Uint8Array | null): Promise<Change | FsError> {
    return ops.setXattr(this, who, id, name, value);
  }

  changeXattr(this: Share, who: Credentials, id: FileId, name: string, change: XattrChange): Promise<Change | FsError> {
    return ops.changeXattr(this, who, id, name, change);
  }

  setSecurity(this: Share, who: Credentials, id: FileId, request: SecurityRequest): Promise<Change | FsError> {
    return ops.setSecurity(this, who, id, request);
  }

  tellChangeTime(this: Share, id: FileId, time: Time): void {
    const inode = this.inodes.hit(id);
    if (inode !== null) this.inodes.replace(inode.with({ changeTime: { told: time, ctime: inode.ctime } }));
  }

  streams(this: Share, who: Credentials, id: FileId): Maybe<readonly OpenedStream[] | FsError> {
    return ops.streams(this, who, id);
  }

  openStream(this: Share, who: Credentials, owner: FileId, name: string): Maybe<OpenedStream | FsError> {
    return ops.openStream(this, who, owner, name);
  }

  makeStream(this: Share, who: Credentials, owner: FileId, name: string): Promise<OpenedStream | FsError> {
    return ops.makeStream(this, who, owner, name);
  }

  removeStream(this: Share, who: Credentials, owner: FileId, name: string): Promise<Change | FsError> {
    return ops.removeStream(this, who, owner, name);
  }

  renameStream(this: Share, who: Credentials, owner: FileId, from: string, to: string, replace: boolean): Promise<Change | FsError> {
    return ops.renameStream(this, who, owner, from, to, replace);
  }
}
