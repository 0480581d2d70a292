import { decodeFileHandle, FsCode, FsError } from "#model/index.ts";
import { AbsentShares } from "#vfs/absent-shares.ts";
import type { FileSystem, Located, Shares } from "#vfs/file-system.ts";
import type { MemoryFileSystem } from "./memory-file-system.ts";

/** The handles are checked as the real ones are; their ids are then remembered, as the real ones are. */
export class MemoryShares implements Shares {
  private readonly all: readonly MemoryFileSystem[];
  readonly absent = new AbsentShares();
  private readonly known = new Map<number, { bytes: Uint8Array; located: Located }>();
  constructor(...all: MemoryFileSystem[]) {
    this.all = all;
  }
  byName(name: string): FileSystem | undefined {
    return this.all.find((fs) => fs.name === name);
  }
  list(): readonly FileSystem[] {
    return this.all;
  }
  locate(bytes: Uint8Array, offset: number, length: number): Located | FsError {
    if (length !== 44) return FsError.of(FsCode.badHandle);
    const low = (bytes[offset + 20]! << 24) | (bytes[offset + 21]! << 16) | (bytes[offset + 22]! << 8) | bytes[offset + 23]!;
    const known = this.known.get(low);
    if (known !== undefined) {
      let i = 0;
      while (i < 44 && known.bytes[i] === bytes[offset + i]) i++;
      if (i === 44) return known.located;
    }
    const handle = bytes.slice(offset, offset + length);
    for (const fs of this.all) {
      const parts = decodeFileHandle(fs.instance, fs.key, handle);
      if (parts === null) continue;
      const located = { fs, id: parts.id };
      this.known.set(low, { bytes: handle, located });
      return located;
    }
    return FsError.of(FsCode.badHandle);
  }
}
