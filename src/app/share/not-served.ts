import { type Config, formatSize } from "#config/index.ts";
import type { AdapterPlan } from "#control/index.ts";
import { openFilesMax, sharesWithin } from "../process/open-files.ts";

/** Why a share is not served, for whoever runs the server. */

function tooFewFiles(open: number): string {
  return `this system lets the server open ${openFilesMax()} files at once, which is enough for ${open} ${open === 1 ? "share" : "shares"} and their clients; raise the limit (ulimit -n, LimitNOFILE=) and start the server anew, or delete a share`;
}

export function stillClosing(name: string): string {
  return `share ${name} is still being closed: it stores what it holds, or waits for its store. It is opened again by itself when that is done`;
}

/** Throws where one more can't be. */
export function refuseMore(config: Config, open: number, most: number): void {
  if (open >= most) throw new Error(noRoom(config, most));
  if (open >= sharesWithin(openFilesMax())) throw new Error(tooFewFiles(open));
}

function noRoom({ cache }: Config, most: number): string {
  return (
    `there is room for ${most} ${most === 1 ? "share" : "shares"}: each needs a part of cache.size (${formatSize(cache.size)}), cache.dirty_limit (${formatSize(cache.dirty_limit)}) ` +
    `and cache.files (${cache.files}) to work with. Raise them and start the server anew, or delete a share`
  );
}

/** The longest write any adapter takes, by which the room for shares is counted. */
export function writeBytesMax({ adapters: { nfs, smb } }: Config, adapters: readonly AdapterPlan[]): number {
  return Math.max(nfs.max_write_size, smb.max_transfer_size, ...adapters.map(({ settings }) => Number(settings["max_write_size"] ?? settings["max_transfer_size"] ?? 0)));
}
