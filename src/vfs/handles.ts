import { decodeFileHandle, encodeFileHandle, fileHandleBytes } from "#model/file-handle.ts";
import type { FsError } from "#model/fs-error.ts";
import type { Inode } from "#model/inode.ts";
import type { Node } from "./cache/node.ts";
import { badHandle, stale } from "./errors.ts";
import type { Located } from "./file-system.ts";
import { isVerified, keepVerified } from "./handle-words.ts";
import type { Share } from "./share.ts";

/** The file handles of a share: made once an object, verified once a handle. */
export class Handles {
  private readonly share: Share;

  constructor(share: Share) {
    this.share = share;
  }

  of(inode: Inode): Uint8Array {
    const node = this.share.inodes.peek(inode.id);
    if (node === undefined) return this.make(inode);
    return (node.handle ??= this.make(inode));
  }

  private make(inode: Inode): Uint8Array {
    const { instance, handleKey } = this.share.store.identity;
    const made = encodeFileHandle(instance, handleKey, { epoch: 0, id: inode.id, generation: inode.generation });
    // A copy that no view was made of carries no ArrayBuffer object: 100 bytes less of what is kept by the hundred thousand.
    return made.slice();
  }

  /** What a handle of this share's instance with this id refers to; the id is not to be trusted before the whole handle is checked. */
  locate(id: number, bytes: Uint8Array, offset: number): Located | FsError {
    const node = this.share.inodes.node(id);
    if (node !== undefined && node.located !== null && isVerified(node, bytes, offset)) return node.located;
    return this.verify(bytes.subarray(offset, offset + fileHandleBytes));
  }

  private verify(bytes: Uint8Array): Located | FsError {
    const { instance, handleKey } = this.share.store.identity;
    const parts = decodeFileHandle(instance, handleKey, bytes);
    if (parts === null) return badHandle;
    if (parts.epoch !== 0) return stale;
    const node = this.share.inodes.loadNode(parts.id);
    if (node instanceof Promise) {
      // Whoever uses the id reads the same row and learns what went wrong with it.
      node.catch(() => {});
      return { fs: this.share, id: parts.id };
    }
    return node === null ? { fs: this.share, id: parts.id } : this.locatedAt(node, parts.generation, bytes);
  }

  private locatedAt(node: Node, generation: number, bytes: Uint8Array): Located | FsError {
    if (node.inode?.generation !== generation) return stale;
    if (node.located === null) {
      keepVerified(node, bytes);
      node.located = { fs: this.share, id: node.inode.id };
    }
    return node.located;
  }
}
