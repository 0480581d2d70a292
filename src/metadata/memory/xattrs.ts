import type { FileId } from "#model/ids.ts";
import type { Xattr } from "#model/inode.ts";
import { KeyOrder } from "./key-order.ts";

/** Extended attributes in a map an inode. */
export class MemoryXattrs {
  private readonly byId = new Map<number, Map<string, Uint8Array>>();
  private readonly order = new KeyOrder(this.byId);
  private readonly note: (undo: () => void) => void;

  /** `note` is told how to undo each change. */
  constructor(note: (undo: () => void) => void) {
    this.note = note;
  }

  get(id: FileId, name: string): Uint8Array | null {
    return this.byId.get(id)?.get(name) ?? null;
  }

  all(id: FileId): readonly Xattr[] {
    return [...(this.byId.get(id) ?? [])].map(([name, value]) => ({ id, name, value })).sort(byName);
  }

  set(id: FileId, name: string, value: Uint8Array | null): void {
    const before = this.get(id, name);
    this.write(id, name, value);
    this.note(() => this.write(id, name, before));
  }

  deleteAll(id: FileId): void {
    for (const { name } of this.all(id)) this.set(id, name, null);
  }

  scan(id: number, name: string, limit: number): readonly Xattr[] {
    const page = this.all(id as FileId).filter((xattr) => xattr.name > name).slice(0, limit);
    if (page.length < limit) {
      this.order.each(id, (_, key) => {
        page.push(...this.all(key as FileId).slice(0, limit - page.length));
        return page.length < limit;
      });
    }
    return page;
  }

  private write(id: FileId, name: string, value: Uint8Array | null): void {
    let values = this.byId.get(id);
    if (value === null) {
      values?.delete(name);
      if (values?.size === 0) this.byId.delete(id);
      return;
    }
    if (values === undefined) {
      values = new Map();
      this.byId.set(id, values);
      this.order.forget();
    }
    values.set(name, value);
  }
}

function byName(a: Xattr, b: Xattr): number {
  return a.name < b.name ? -1 : 1;
}
