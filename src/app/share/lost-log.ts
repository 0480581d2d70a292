import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { RecoveredLog } from "#cache/log/recovered-log.ts";
import { segmentsOf } from "#history/index.ts";
import type { BlockStore } from "#model/block-store.ts";
import type { HistoryMark } from "#model/history.ts";
import { syncDirectory } from "../process/durable-files.ts";
import type { Surroundings } from "./open-share.ts";

/** Folders of the log's directory, which may be a mount point: the segments of a log that is being made, and of one that is whole. */
const unfinished = "restoring";
const finished = "restored";
export const restoreFolders = [unfinished, finished] as const;

interface LostLog {
  readonly share: string;
  readonly instance: Uint8Array;
  /** The share's log. */
  readonly directory: string;
  readonly segmentBytes: number;
  readonly blocks: BlockStore;
  readonly mark: HistoryMark | null;
}

/**
 * Where a share's log has no segment though the share was in use, what its history has of content that was in no pack yet is put in its
 * place: whoever put an empty directory there lost the disk, and of durability `remote` nothing that was acknowledged.
 */
export async function restoreLostLog({ share, instance, directory, segmentBytes, blocks, mark }: LostLog, { clock, logger }: Pick<Surroundings, "clock" | "logger">): Promise<void> {
  if (mark === null || !mark.continues || readdirSync(directory).some((name) => name.endsWith(".log"))) return;
  // Who is killed while this comes in leaves no segment that would be taken for the log.
  const folder = join(directory, unfinished);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { mode: 0o700 });
  const log = new RecoveredLog(folder, instance, segmentBytes, clock.now().nsec);
  let last = mark.oldestNeeded - 1;
  try {
    for await (const segment of segmentsOf(blocks, Buffer.from(instance).toString("hex"), mark)) {
      for (const record of segment.content()) {
        if (record.sequence <= last) continue;
        last = record.sequence;
        log.add(record);
      }
    }
  } catch (error) {
    await log.discard().catch(() => {});
    throw new Error(
      `the log of share ${share} in ${directory} is gone, and the part of it that its block store keeps can't be read (${(error as Error).message}). ` +
        "It starts once the store answers and has it: name the bucket that the share was in, or put back from a backup of it what is missing. To start without that, put the old log back, or turn the store's history off and lose what was written last",
    );
  }
  await log.finish();
  renameSync(folder, join(directory, finished));
  syncDirectory(directory);
  takeRestored(directory);
  logger.warn({ records: log.records }, "the share's log was gone; what its block store keeps of it was put in its place");
}

/** Puts the segments of a log that was made whole where the log is, also for a start that was killed meanwhile. To be done before the log is looked for. */
export function takeRestored(directory: string): void {
  const folder = join(directory, finished);
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) renameSync(join(folder, name), join(directory, name));
  syncDirectory(directory);
  rmdirSync(folder);
  syncDirectory(directory);
}
