import type { Maybe } from "#base/brand.ts";
import { systemClock } from "#base/clock.ts";
import type { Time } from "#base/time.ts";
import { type ContentRead, type Cookie, type Credentials, type FileId, FileType, FsCode, FsError, type Inode } from "#model/index.ts";
import type {
  AttributeRequest,
  Change,
  Created,
  CreateHow,
  FileSystem,
  Linked,
  ListedEntry,
  Listing,
  LookedUp,
  NodeKind,
  ReadResult,
  Removed,
  Renamed,
  SpaceUsage,
  Written,
} from "#vfs/file-system.ts";
import { LockTable } from "#vfs/locks/index.ts";
import type { Notifier } from "#vfs/notify/index.ts";
import { OpenTable } from "#vfs/opens/open-table.ts";
import { error, MemoryTree } from "./memory-tree.ts";

/** A small file system in memory, for the tests of the protocol alone: hardly any permission checks, no durability. */
export class MemoryFileSystem extends MemoryTree implements FileSystem {
  readonly locks = new LockTable();
  readonly persistent = null;
  mayBeLate = true;
  /** Nobody watches. */
  readonly notify = { size: 0 } as unknown as Notifier;
  readonly opens = new OpenTable(systemClock, () => false);
  release(): null {
    return null;
  }
  contend(): null {
    return null;
  }
  setDeletion(): null {
    return null;
  }
  getattr(id: FileId): Inode | FsError {
    const failed = this.failNext === null ? null : this.step("getattr", null);
    return failed ?? this.inodes.get(id) ?? error(FsCode.stale);
  }
  async setattr(who: Credentials, id: FileId, request: AttributeRequest, guard: Time | null): Promise<Change | FsError> {
    const failed = this.step("setattr", who);
    if (failed !== null) return failed;
    const before = this.inodes.get(id);
    if (before === undefined) return error(FsCode.stale);
    if (guard !== null && !guard.equals(before.ctime)) return error(FsCode.notSync);
    const now = this.tick();
    const after = before.with({
      ...(request.mode === undefined ? {} : { mode: request.mode }),
      ...(request.uid === undefined ? {} : { uid: request.uid }),
      ...(request.gid === undefined ? {} : { gid: request.gid }),
      ...(request.size === undefined ? {} : { size: request.size }),
      ...(request.atime === undefined ? {} : { atime: request.atime === "now" ? now : request.atime }),
      ...(request.mtime === undefined ? {} : { mtime: request.mtime === "now" ? now : request.mtime }),
      ctime: now,
    });
    if (request.size !== undefined) {
      const resized = new Uint8Array(Math.min(request.size, 2 ** 24));
      resized.set((this.content.get(id) ?? new Uint8Array(0)).subarray(0, resized.length));
      this.content.set(id, resized);
    }
    this.inodes.set(id, after);
    return { before, after };
  }
  lookup(_who: Credentials, id: FileId, name: string): LookedUp | FsError {
    const failed = this.failNext === null ? null : this.step("lookup", _who);
    if (failed !== null) return failed;
    const directory = this.directory(id);
    if (directory instanceof FsError) return directory;
    if (name === ".") return { inode: directory, directory };
    if (name === "..") return { inode: this.inodes.get(directory.parent)!, directory };
    const entry = this.names.get(id)!.get(name);
    return entry === undefined ? error(FsCode.noEntry) : { inode: this.inodes.get(entry.id)!, directory };
  }
  access(_who: Credentials, id: FileId, wanted: number): { readonly inode: Inode; readonly granted: number } | FsError {
    const inode = this.inodes.get(id);
    return inode === undefined ? error(FsCode.stale) : { inode, granted: wanted };
  }
  readlink(_who: Credentials, id: FileId): { readonly inode: Inode; readonly target: Uint8Array } | FsError {
    const inode = this.inodes.get(id);
    if (inode === undefined) return error(FsCode.stale);
    return inode.target === null ? error(FsCode.invalid) : { inode, target: inode.target };
  }
  read(who: Credentials, id: FileId, offset: number, length: number): Maybe<ReadResult | FsError> {
    if (this.gate !== null) return this.gate.then(() => this.readNow(who, id, offset, length));
    return this.readNow(who, id, offset, length);
  }
  private readNow(who: Credentials, id: FileId, offset: number, length: number): ReadResult | FsError {
    const failed = this.failNext === null ? null : this.step("read", who);
    if (failed !== null) return failed;
    const inode = this.inodes.get(id);
    if (inode === undefined) return error(FsCode.stale);
    const all = this.content.get(id) ?? new Uint8Array(0);
    const end = Math.min(all.length, offset + length);
    const slices: Uint8Array[] = [];
    for (let at = offset; at < end; at += this.readPiece) slices.push(all.subarray(at, Math.min(end, at + this.readPiece)));
    this.borrowed++;
    const data: ContentRead = {
      slices,
      length: Math.max(0, end - offset),
      endOfFile: end >= all.length,
      release: () => void (this.borrowed--, this.released++),
    };
    return { inode, data };
  }
  write(who: Credentials, id: FileId, offset: number, payload: readonly Uint8Array[], length: number, stable: boolean): Maybe<Written | FsError> {
    if (this.gate !== null) return this.gate.then(() => this.writeNow(who, id, offset, payload, length, stable));
    return this.writeNow(who, id, offset, payload, length, stable);
  }
  private writeNow(who: Credentials, id: FileId, offset: number, payload: readonly Uint8Array[], length: number, _stable: boolean): Written | FsError {
    const failed = this.step("write", who);
    if (failed !== null) return failed;
    const before = this.inodes.get(id);
    if (before === undefined) return error(FsCode.stale);
    let all = this.content.get(id) ?? new Uint8Array(0);
    if (offset + length > all.length) {
      const buffer = all.buffer as ArrayBuffer;
      if (!buffer.resizable || offset + length > buffer.maxByteLength) {
        const grown = new Uint8Array(new ArrayBuffer(offset + length, { maxByteLength: Math.max(1024, (offset + length) * 2) }));
        grown.set(all);
        all = grown;
      } else buffer.resize(offset + length);
    }
    let at = offset;
    for (const slice of payload) {
      all.set(slice, at);
      at += slice.length;
    }
    if (at !== offset + length) throw new Error(`a payload of ${at - offset} bytes, not ${length}`);
    this.content.set(id, all);
    const now = this.tick();
    const after = before.with({ size: all.length, used: all.length, mtime: now, ctime: now });
    this.inodes.set(id, after);
    return { file: { before, after } };
  }
  /** NFSv3 has none of these. */
  allocated(): FsError {
    return FsError.of("notSupported");
  }

  async punch(): Promise<FsError> {
    return FsError.of("notSupported");
  }

  async becomeLink(): Promise<FsError> {
    return FsError.of("notSupported");
  }

  async clone(): Promise<FsError> {
    return FsError.of("notSupported");
  }

  async copy(): Promise<FsError> {
    return FsError.of("notSupported");
  }

  commit(_who: Credentials, id: FileId): Written | FsError {
    const inode = this.inodes.get(id);
    return inode === undefined ? error(FsCode.stale) : { file: { before: inode, after: inode } };
  }
  async create(who: Credentials, parent: FileId, name: string, how: CreateHow): Promise<Created | FsError> {
    const failed = this.step("create", who) ?? this.judge(name);
    if (failed !== null) return failed;
    const directory = this.directory(parent);
    if (directory instanceof FsError) return directory;
    const known = this.names.get(parent)!.get(name);
    if (known !== undefined) {
      const inode = this.inodes.get(known.id)!;
      const same = how.mode === "exclusive" && inode.createVerifier !== null && Buffer.compare(inode.createVerifier, how.verifier) === 0;
      if (how.mode !== "unchecked" && !same) return error(FsCode.exists);
      return { inode, directory: { before: directory, after: directory } };
    }
    const id = this.next++ as FileId;
    const mode = how.mode === "exclusive" ? 0o600 : (how.attributes.mode ?? 0o644);
    this.content.set(id, new Uint8Array(0));
    const inode = this.make(id, FileType.regular, mode, who.uid, who.gid);
    return this.add(parent, name, how.mode === "exclusive" ? inode.with({ createVerifier: how.verifier }) : inode);
  }
  async mkdir(who: Credentials, parent: FileId, name: string, request: AttributeRequest): Promise<Created | FsError> {
    const failed = this.step("mkdir", who) ?? this.judge(name);
    if (failed !== null) return failed;
    if (this.names.get(parent)?.has(name)) return error(FsCode.exists);
    const id = this.next++ as FileId;
    this.names.set(id, new Map());
    return this.add(parent, name, this.make(id, FileType.directory, request.mode ?? 0o755, who.uid, who.gid).with({ links: 2, parent, size: 4096 }));
  }
  async symlink(who: Credentials, parent: FileId, name: string, target: Uint8Array, _request: AttributeRequest): Promise<Created | FsError> {
    const failed = this.step("symlink", who) ?? this.judge(name);
    if (failed !== null) return failed;
    if (this.names.get(parent)?.has(name)) return error(FsCode.exists);
    const inode = this.make(this.next++ as FileId, FileType.symlink, 0o777, who.uid, who.gid);
    return this.add(parent, name, inode.with({ target, size: target.length }));
  }
  async mknod(who: Credentials, parent: FileId, name: string, kind: NodeKind, request: AttributeRequest): Promise<Created | FsError> {
    const failed = this.step("mknod", who) ?? this.judge(name);
    if (failed !== null) return failed;
    const device = "major" in kind ? { deviceMajor: kind.major, deviceMinor: kind.minor } : {};
    return this.add(parent, name, this.make(this.next++ as FileId, kind.type, request.mode ?? 0o644, who.uid, who.gid).with(device));
  }
  async remove(who: Credentials, parent: FileId, name: string): Promise<Removed | FsError> {
    return this.drop("remove", who, parent, name, false);
  }
  async rmdir(who: Credentials, parent: FileId, name: string): Promise<Removed | FsError> {
    return this.drop("rmdir", who, parent, name, true);
  }
  private drop(operation: string, who: Credentials, parent: FileId, name: string, wantsDirectory: boolean): Removed | FsError {
    const failed = this.step(operation, who);
    if (failed !== null) return failed;
    const entry = this.names.get(parent)?.get(name);
    if (entry === undefined) return error(FsCode.noEntry);
    const isDirectory = this.names.has(entry.id);
    if (isDirectory !== wantsDirectory) return error(wantsDirectory ? FsCode.notDirectory : FsCode.isDirectory);
    if (isDirectory && this.names.get(entry.id)!.size > 0) return error(FsCode.notEmpty);
    this.names.get(parent)!.delete(name);
    const inode = this.inodes.get(entry.id)!;
    if (isDirectory || inode.links === 1) this.inodes.delete(entry.id);
    else this.inodes.set(entry.id, inode.with({ links: inode.links - 1, ctime: this.tick() }));
    return { directory: this.touch(parent) };
  }
  async rename(who: Credentials, from: FileId, fromName: string, to: FileId, toName: string): Promise<Renamed | FsError> {
    const failed = this.step("rename", who);
    if (failed !== null) return failed;
    const entry = this.names.get(from)?.get(fromName);
    if (entry === undefined) return error(FsCode.noEntry);
    this.names.get(from)!.delete(fromName);
    this.names.get(to)!.set(toName, { id: entry.id, cookie: this.next++ as Cookie });
    return { from: this.touch(from), to: this.touch(to) };
  }
  async link(who: Credentials, id: FileId, parent: FileId, name: string): Promise<Linked | FsError> {
    const failed = this.step("link", who);
    if (failed !== null) return failed;
    if (this.names.get(parent)?.has(name)) return error(FsCode.exists);
    const inode = this.inodes.get(id)!;
    const linked = inode.with({ links: inode.links + 1 });
    return { inode: linked, directory: this.add(parent, name, linked).directory };
  }
  readdir(
    who: Credentials,
    id: FileId,
    cookie: number,
    _verifier: Uint8Array,
    withInodes: boolean,
    accept: (name: string) => boolean | null,
  ): Listing | FsError {
    const failed = this.failNext === null ? null : this.step("readdir", who);
    if (failed !== null) return failed;
    const directory = this.directory(id);
    if (directory instanceof FsError) return directory;
    const all: ListedEntry[] = [
      { name: ".", cookie: 1, id, inode: directory },
      { name: "..", cookie: 2, id: directory.parent as FileId, inode: this.inodes.get(directory.parent)! },
    ];
    for (const [name, entry] of this.names.get(id)!) all.push({ name, cookie: entry.cookie, id: entry.id, inode: withInodes ? this.inodes.get(entry.id)! : null });
    const entries: ListedEntry[] = [];
    const verifier = new Uint8Array(8).fill(9);
    for (const entry of all) {
      if (entry.cookie <= cookie) continue;
      const accepted = accept(entry.name);
      if (accepted === false) return { directory, verifier, entries, end: false, cookie };
      if (accepted) entries.push(entry);
      cookie = entry.cookie;
    }
    return { directory, verifier, entries, end: true, cookie };
  }
  usage(): SpaceUsage {
    return { totalBytes: 2 ** 40, freeBytes: 2 ** 39, availableBytes: 2 ** 38, totalFiles: 2 ** 20, freeFiles: 2 ** 19 };
  }
  /** NFS asks for none of these. */
  lookupFolded(): FsError {
    return error(FsCode.notSupported);
  }
  xattr(): FsError {
    return error(FsCode.notSupported);
  }
  xattrs(): FsError {
    return error(FsCode.notSupported);
  }
  tellChangeTime(): void {}
  async setSecurity(): Promise<FsError> {
    return error(FsCode.notSupported);
  }
  async setXattr(): Promise<FsError> {
    return error(FsCode.notSupported);
  }
  pathOf(): null {
    return null;
  }
  async changeXattr(): Promise<FsError> {
    return error(FsCode.notSupported);
  }
  streams(): FsError {
    return error(FsCode.notSupported);
  }
  openStream(): FsError {
    return error(FsCode.notSupported);
  }
  async makeStream(): Promise<FsError> {
    return error(FsCode.notSupported);
  }
  async removeStream(): Promise<FsError> {
    return error(FsCode.notSupported);
  }
  async renameStream(): Promise<FsError> {
    return error(FsCode.notSupported);
  }
}
