import type { Maybe } from "#base/brand.ts";
import type { Credentials } from "#model/credentials.ts";
import type { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import { AttributedShare } from "./attributed-share.ts";
import type * as fs from "./file-system.ts";
import { Handles } from "./handles.ts";
import type { OpenFile } from "./opens/open-file.ts";
import * as ops from "./ops/index.ts";

export type { ShareOptions } from "./share-core.ts";

/** One share: file semantics over a metadata store and content. The operations are functions in `ops/`, one file each. */
export class Share extends AttributedShare implements fs.FileSystem {
  private readonly handles = new Handles(this);

  handleOf(inode: Inode): Uint8Array {
    return this.handles.of(inode);
  }

  /** What a handle of this share's instance with this id refers to; the id is not to be trusted before the whole handle is checked. */
  locate(id: number, bytes: Uint8Array, offset: number): fs.Located | FsError {
    return this.handles.locate(id, bytes, offset);
  }

  root(): Maybe<Inode> {
    return ops.root(this);
  }

  cached(id: FileId): Inode | null {
    return this.inodes.hit(id);
  }

  getattr(id: FileId): Maybe<Inode | FsError> {
    return this.inodes.hit(id) ?? ops.getattr(this, id);
  }

  setattr(who: Credentials, id: FileId, request: fs.AttributeRequest, guard: Inode["ctime"] | null, by: OpenFile | null = null): Promise<fs.Change | FsError> {
    return ops.setattr(this, who, id, request, guard, by);
  }

  lookup(who: Credentials, directory: FileId, name: string): Maybe<fs.LookedUp | FsError> {
    return ops.lookup(this, who, directory, name);
  }

  access(who: Credentials, id: FileId, wanted: number): Maybe<ops.Granted | FsError> {
    return ops.access(this, who, id, wanted);
  }

  readlink(who: Credentials, id: FileId): Maybe<ops.Link | FsError> {
    return ops.readlink(this, who, id);
  }

  read(who: Credentials, id: FileId, offset: number, length: number, by: OpenFile | null = null): Maybe<fs.ReadResult | FsError> {
    return ops.read(this, who, id, offset, length, by);
  }

  write(
    who: Credentials,
    id: FileId,
    offset: number,
    payload: readonly Uint8Array[],
    length: number,
    stable: boolean,
    by: OpenFile | null = null,
  ): Maybe<fs.Written | FsError> {
    return ops.write(this, who, id, offset, payload, length, stable, by);
  }

  allocated(who: Credentials, id: FileId, offset: number, length: number, limit: number): Maybe<fs.AllocatedRanges | FsError> {
    return ops.allocated(this, who, id, offset, length, limit);
  }

  punch(who: Credentials, id: FileId, offset: number, length: number, by: OpenFile | null = null): Promise<fs.Written | FsError> {
    return ops.punch(this, who, id, offset, length, by);
  }

  becomeLink(who: Credentials, open: OpenFile, target: Uint8Array): Promise<Inode | FsError> {
    return ops.becomeLink(this, who, open, target);
  }

  clone(who: Credentials, range: fs.CopyRange): Promise<FsError | null> {
    return ops.clone(this, who, range);
  }

  copy(who: Credentials, range: fs.CopyRange): Promise<FsError | null> {
    return ops.copy(this, who, range);
  }

  commit(who: Credentials, id: FileId): Maybe<fs.Written | FsError> {
    return ops.commit(this, who, id);
  }

  create(who: Credentials, directory: FileId, name: string, how: fs.CreateHow, options?: fs.MakeOptions): Promise<fs.Created | FsError> {
    return ops.create(this, who, directory, name, how, options);
  }

  mkdir(who: Credentials, directory: FileId, name: string, request: fs.AttributeRequest, options?: fs.MakeOptions): Promise<fs.Created | FsError> {
    return ops.mkdir(this, who, directory, name, request, options);
  }

  symlink(who: Credentials, directory: FileId, name: string, target: Uint8Array, request: fs.AttributeRequest, options?: fs.MakeOptions): Promise<fs.Created | FsError> {
    return ops.symlink(this, who, directory, name, target, request, options);
  }

  mknod(who: Credentials, directory: FileId, name: string, kind: fs.NodeKind, request: fs.AttributeRequest): Promise<fs.Created | FsError> {
    return ops.mknod(this, who, directory, name, kind, request);
  }

  remove(who: Credentials, directory: FileId, name: string): Promise<fs.Removed | FsError> {
    return ops.remove(this, who, directory, name, null);
  }

  rmdir(who: Credentials, directory: FileId, name: string): Promise<fs.Removed | FsError> {
    return ops.rmdir(this, who, directory, name, null);
  }

  rename(who: Credentials, from: FileId, fromName: string, to: FileId, toName: string, by: OpenFile | null = null, replaces = true): Promise<fs.Renamed | FsError> {
    return ops.rename(this, who, { from, fromName, to, toName, by, replaces });
  }

  link(who: Credentials, id: FileId, directory: FileId, name: string, replaces = false): Promise<fs.Linked | FsError> {
    return ops.link(this, who, id, directory, name, replaces);
  }

  pathOf(directory: FileId): Maybe<readonly string[] | null> {
    return ops.pathOf(this, directory);
  }

  release(open: OpenFile): Maybe<FsError | null> {
    return ops.release(this, open);
  }

  contend(open: OpenFile): Maybe<FsError | null> {
    return ops.beforeContent(this, open.file.id, open);
  }

  setDeletion(open: OpenFile, wanted: boolean): Maybe<FsError | null> {
    return ops.setDeletion(this, open, wanted);
  }

  readdir(
    who: Credentials,
    directory: FileId,
    cookie: number,
    verifier: Uint8Array,
    withInodes: boolean,
    accept: (name: string) => boolean | null,
  ): Maybe<fs.Listing | FsError> {
    return ops.readdir(this, who, directory, cookie, verifier, withInodes, accept);
  }

  usage(): Maybe<fs.SpaceUsage> {
    return ops.usage(this);
  }
}
