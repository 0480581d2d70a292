import { fsck, gc, type Watch } from "#check/index.ts";
import { ControlError, type JobRequest, type JobResult } from "#control/index.ts";
import { type MoveHost, moveShare } from "./move-share.ts";
import type { OpenShare } from "./open-share.ts";

/** Does what a job asks for, on a share that is served. */
export async function workOn(host: MoveHost, open: OpenShare | undefined, request: JobRequest, watch: Watch): Promise<JobResult> {
  if (open === undefined) throw new ControlError("unavailable", `share ${request.share} is not being served`, { hint: "dittofs share status says why." });
  switch (request.kind) {
    case "fsck":
      return { ...(await fsck(open.checkTarget, { data: request.data, repair: request.repair }, watch)) };
    case "scrub": {
      const { bytes, damaged } = await open.scrubber.now(request.bytesPerSecond, watch);
      return { bytes, damaged };
    }
    case "migrate":
      try {
        return await moveShare(host, open, request.plan, request.commit, watch);
      } finally {
        host.release(request.share);
      }
    case "gc":
      return { ...(await gc(open.upkeep, request.remove, watch)) };
  }
}
