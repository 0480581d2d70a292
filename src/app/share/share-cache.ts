import type { Warmed } from "#cache/disk/index.ts";
import { ControlError } from "#control/index.ts";
import type { OpenShare } from "./open-share.ts";

/** Fetches what a share's remote store has into its cache on disk. */
export async function warmShare(open: OpenShare | undefined, name: string): Promise<Warmed> {
  const share = served(open, name);
  try {
    return (await share.warm()) ?? refuseLocal(name);
  } catch (error) {
    if (error instanceof ControlError) throw error;
    throw new ControlError("store_unreachable", `what share ${name} stores could not be fetched: ${(error as Error).message}`, { hint: "What was fetched stays. Warm it again once the store answers." });
  }
}

/** Removes the copies in a share's cache on disk, and gives their bytes. */
export async function evictShare(open: OpenShare | undefined, name: string): Promise<number> {
  return (await served(open, name).evict()) ?? refuseLocal(name);
}

function served(open: OpenShare | undefined, name: string): OpenShare {
  if (open !== undefined) return open;
  throw new ControlError("unavailable", `share ${name} is not being served`, { hint: "dittofs share status says why." });
}

function refuseLocal(share: string): never {
  throw new ControlError("conflict", `share ${share} has no cache on disk: its block store is not a remote one`, { hint: "Only a share on S3 has copies to fetch or to remove." });
}
