import type { Maybe } from "#base/brand.ts";
import { fileSizeMax } from "#model/ids.ts";
import type { SpaceUsage } from "../file-system.ts";
import { after } from "../maybe.ts";
import type { Share } from "../share.ts";

/** About what an object's rows take of the disk: how many more there is room for follows from the free bytes. */
const bytesAFile = 512;

/** FSSTAT (RFC 1813 §3.3.18). Where content has no bound, the bound is that of a file's size. */
export function usage(share: Share): Maybe<SpaceUsage> {
  return after(share.content.space(), (space) =>
    after(share.store.usage(), (used) => {
      const totalBytes = space === null ? fileSizeMax : space.total;
      const freeBytes = space === null ? Math.max(0, fileSizeMax - used.bytes) : Math.min(space.free, space.total);
      const freeFiles = Math.floor(freeBytes / bytesAFile);
      return {
        totalBytes,
        freeBytes,
        availableBytes: space === null ? freeBytes : Math.min(space.available, freeBytes),
        totalFiles: used.inodes + freeFiles,
        freeFiles,
      };
    }),
  );
}
