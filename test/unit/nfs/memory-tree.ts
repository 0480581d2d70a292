import { Time, timeAfter } from "#base/time.ts";
import { type Cookie, type Credentials, encodeFileHandle, type FileId, FileType, FsCode, FsError, type Inode, newObject, rootId } from "#model/index.ts";
import type { SharePolicy } from "#vfs/access/policy.ts";
import type { Change, Created } from "#vfs/file-system.ts";
import { everywhere, policyOf } from "../../support/policy.ts";

export const error = (code: FsCode): FsError => FsError.of(code);

/** What a small file system in memory knows, and how it changes. */
export class MemoryTree {
  readonly name: string;
  policy: SharePolicy = policyOf({ allowedClients: everywhere });
  readonly writeVerifier = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);
  readonly instance = new Uint8Array(8);
  readonly key = new Uint8Array(32).fill(7);
  /** What happened, in order: `operation uid`. */
  readonly log: string[] = [];
  readonly inodes = new Map<number, Inode>();
  readonly names = new Map<number, Map<string, { id: FileId; cookie: Cookie }>>();
  readonly content = new Map<number, Uint8Array>();
  /** Reads not released yet. */
  borrowed = 0;
  released = 0;
  /** Makes reads and writes wait for this. */
  gate: Promise<void> | null = null;
  /** Makes the next operation of any kind fail so. */
  failNext: FsCode | "throw" | null = null;
  readPiece = 64 * 1024;
  protected next = 16;
  private now = new Time(1_700_000_000, 0);
  private readonly handles = new Map<number, Uint8Array>();

  constructor(name: string, salt = 1) {
    this.name = name;
    this.instance.fill(salt);
    this.inodes.set(rootId, this.make(rootId, FileType.directory, 0o755, 0, 0).with({ links: 2, parent: rootId, size: 4096 }));
    this.names.set(rootId, new Map());
  }

  protected make(id: FileId, type: FileType, mode: number, uid: number, gid: number): Inode {
    return newObject(this.tick(), { id, type, mode, uid, gid, change: 1, attributeVersion: 1, generation: 1 });
  }

  protected tick(): Time {
    this.now = timeAfter(this.now, Time.zero);
    return this.now;
  }

  protected step(operation: string, who: Credentials | null): FsError | null {
    this.log.push(who === null ? operation : `${operation} ${who.uid}`);
    const fail = this.failNext;
    this.failNext = null;
    if (fail === "throw") throw new Error("a planted fault");
    return fail === null ? null : error(fail);
  }

  inHand = 0;
  enter(): void {
    this.inHand++;
  }
  leave(): void {
    this.inHand--;
  }
  setPolicy(policy: SharePolicy): void {
    this.policy = policy;
  }
  root(): Inode {
    return this.inodes.get(rootId)!;
  }
  handleOf(inode: Inode): Uint8Array {
    let handle = this.handles.get(inode.id);
    if (handle === undefined) {
      handle = encodeFileHandle(this.instance, this.key, { epoch: 0, id: inode.id, generation: inode.generation });
      this.handles.set(inode.id, handle);
    }
    return handle;
  }
  cached(id: FileId): Inode | null {
    return this.inodes.get(id) ?? null;
  }

  protected directory(id: FileId): Inode | FsError {
    const inode = this.inodes.get(id);
    if (inode === undefined) return error(FsCode.stale);
    return inode.type === FileType.directory ? inode : error(FsCode.notDirectory);
  }
  protected touch(id: FileId): Change {
    const before = this.inodes.get(id)!;
    const now = this.tick();
    const after = before.with({ mtime: now, ctime: now });
    this.inodes.set(id, after);
    return { before, after };
  }
  protected add(parent: FileId, name: string, inode: Inode): Created {
    this.inodes.set(inode.id, inode);
    this.names.get(parent)!.set(name, { id: inode.id, cookie: this.next++ as Cookie });
    return { inode, directory: this.touch(parent) };
  }
  protected judge(name: string): FsError | null {
    return name === "" || name === "." || name === ".." ? error(FsCode.access) : null;
  }
}
