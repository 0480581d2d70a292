import type { ContentOptions } from "#cache/index.ts";
import type { DiskCacheLimits } from "#cache/disk/index.ts";
import type { Config, Limits } from "#config/index.ts";

/** What a share's content may take of what all have together. */
export function contentLimits(config: Config, limits: Limits): Pick<ContentOptions, "limits" | "cacheBytes" | "segmentBytes"> {
  return {
    cacheBytes: limits.cacheBytesPerShare,
    segmentBytes: config.cache.log_segment_size,
    limits: {
      dirtyBytesMax: limits.dirtyBytesMaxPerShare,
      unstoredBytesMax: limits.unstoredBytesMaxPerShare,
      flushAgeMs: config.cache.flush_age,
      flushBytes: limits.flushBytesPerShare,
    },
  };
}

/** The same of its cache on disk. */
export function diskCacheLimits({ cache }: Config, limits: Limits): DiskCacheLimits {
  return { bytesMax: limits.diskCacheBytesPerShare, freeBytesMin: cache.disk_free_min, aheadBytesMax: limits.aheadBytesPerShare };
}
