import type { Maybe } from "#base/brand.ts";
import type { Credentials } from "#model/credentials.ts";
import type { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import type { Inode, Xattr } from "#model/inode.ts";
import type { Change } from "./file-system.ts";
import type { MadeSecurity, SecuredFiles } from "./secured.ts";

/** An entry found by its fold: `name` is what it is called. */
export interface FoldedUp {
  readonly inode: Inode;
  readonly name: string;
  readonly directory: Inode;
}

/** A stream with the file or directory it belongs to, whose times, flags and rights are its own. */
export interface OpenedStream {
  readonly owner: Inode;
  /** Size and content are this one's; its id is what is read and written. */
  readonly inode: Inode;
  /** As it was made. */
  readonly name: string;
}

/** What an extended attribute is to be, by what it is; or why it can't be. */
export type XattrChange = (now: Uint8Array | null) => Uint8Array | null | FsError;

/** How a new entry is made, besides what it is. */
export interface MakeOptions extends MadeSecurity {
  /** No entry of the directory may have the fold of the name, either. */
  readonly caseInsensitive?: boolean;
  /** Extended attributes it has from the first moment on, at most `xattrsMax`. */
  readonly xattrs?: readonly { readonly name: string; readonly value: Uint8Array }[];
}

/** What files have besides content and POSIX attributes, and names whose case doesn't count. */
export interface AttributedFiles extends SecuredFiles {
  /** The entry of `directory` that `name` names whatever its case; the one that is called just so where there are several. */
  lookupFolded(who: Credentials, directory: FileId, name: string): Maybe<FoldedUp | FsError>;

  /**
   * The value of an extended attribute, null where there is none; don't write to it. Asks for no right but to read the share: whoever opened
   * the file was judged then. Of a stream its owner's.
   */
  xattr(who: Credentials, id: FileId, name: string): Maybe<Uint8Array | null | FsError>;
  xattrs(who: Credentials, id: FileId): Maybe<readonly Xattr[] | FsError>;
  /**
   * Gives, replaces or takes away (`value` null) an extended attribute: at most 64 KiB (fileTooBig), 16 of a file (noSpace). `security` is
   * the owner's to set, others are for whoever may write.
   */
  setXattr(who: Credentials, id: FileId, name: string, value: Uint8Array | null): Promise<Change | FsError>;

  /** The same with a value worked out from the present one (null: there is none), anew whenever somebody else sets an attribute meanwhile. */
  changeXattr(who: Credentials, id: FileId, name: string, change: XattrChange): Promise<Change | FsError>;

  /** The streams of a file or directory, at most 128. */
  streams(who: Credentials, id: FileId): Maybe<readonly OpenedStream[] | FsError>;
  /** A stream by its name, whatever its case. */
  openStream(who: Credentials, owner: FileId, name: string): Maybe<OpenedStream | FsError>;
  /** Makes a stream; exists where there is one whose name has that fold, noSpace where there are 128. */
  makeStream(who: Credentials, owner: FileId, name: string): Promise<OpenedStream | FsError>;
  removeStream(who: Credentials, owner: FileId, name: string): Promise<Change | FsError>;
  /** `replace`: a stream that has the new name goes; else it is in the way. */
  renameStream(who: Credentials, owner: FileId, from: string, to: string, replace: boolean): Promise<Change | FsError>;
}
