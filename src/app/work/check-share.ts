import { join } from "node:path";
import { fsck, type FsckResult, gc, type Watch } from "#check/index.ts";
import { ControlError, type JobRequest, type JobResult } from "#control/index.ts";
import { damageFile, DamageRecord } from "./damage-record.ts";
import { type MoveHost, moveShare } from "./move-share.ts";
import type { OpenShare } from "../share/open-share.ts";

/** Does what a job asks for, on a share that is served. */
export async function workOn(host: MoveHost, open: OpenShare | undefined, request: JobRequest, watch: Watch): Promise<JobResult> {
  if (open === undefined) throw new ControlError("unavailable", `share ${request.share} is not being served`, { hint: "dittofs share status says why." });
  switch (request.kind) {
    case "fsck":
      return { ...(await checked(open, request, watch)) };
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

/** What was found and is left is recorded beside the share's log, until another check says otherwise. */
async function checked(open: OpenShare, { data, repair }: { readonly data: boolean; readonly repair: boolean }, watch: Watch): Promise<FsckResult> {
  const record = new DamageRecord(watch);
  const result = await fsck(open.checkTarget, { data, repair }, record);
  record.write(join(open.places.content, damageFile), open.checkTarget.clock.now().sec);
  return result;
}
