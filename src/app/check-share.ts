import { fsck, type Watch } from "#check/index.ts";
import { ControlError, type JobRequest, type JobResult } from "#control/index.ts";
import type { OpenShare } from "./open-share.ts";

/** Does what a job asks for, on a share that is served. */
export async function workOn(open: OpenShare | undefined, request: JobRequest, watch: Watch): Promise<JobResult> {
  if (open === undefined) throw new ControlError("unavailable", `share ${request.share} is not being served`, { hint: "dittofs share status says why." });
  const { data, repair } = request;
  return { ...(await fsck(open.checkTarget, { data, repair }, watch)) };
}
