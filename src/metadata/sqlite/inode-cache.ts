import type { Inode } from "#model/inode.ts";

/**
 * Rows of one share that are held at most, in both generations together. Enough that small files which are made as fast as they can be
 * are found here by the flush that stores their content; most of them the cache of the file system holds as well.
 */
const rowsMax = 32_768;
const generationRowsMax = rowsMax / 2;

/**
 * Committed inode rows that were used lately. Two generations: what is found in the old one moves to the young one; when that
 * is full it becomes the old one, and what nobody asked for goes.
 */
export class InodeCache {
  private young = new Map<number, Inode>();
  private old = new Map<number, Inode>();

  get(id: number): Inode | undefined {
    const inode = this.young.get(id);
    if (inode !== undefined) return inode;
    const older = this.old.get(id);
    if (older !== undefined) this.put(older);
    return older;
  }

  put(inode: Inode): void {
    if (this.young.size >= generationRowsMax) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(inode.id, inode);
  }

  delete(id: number): void {
    this.young.delete(id);
    this.old.delete(id);
  }
}
