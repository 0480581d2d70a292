import type { FileId, PackId } from "#model/ids.ts";

/** Of each pack: how many extents of which file point into it. */
export class PackUsers {
  private readonly users = new Map<PackId, Map<FileId, number>>();

  files(pack: PackId): Iterable<FileId> {
    return this.users.get(pack)?.keys() ?? [];
  }

  add(pack: PackId, file: FileId, delta: number): void {
    let files = this.users.get(pack);
    if (files === undefined) {
      files = new Map();
      this.users.set(pack, files);
    }
    const count = (files.get(file) ?? 0) + delta;
    if (count > 0) files.set(file, count);
    else files.delete(file);
    if (files.size === 0) this.users.delete(pack);
  }
}
