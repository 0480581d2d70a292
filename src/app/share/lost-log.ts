import { readdirSync } from "node:fs";
import { RecoveredLog } from "#cache/log/recovered-log.ts";
import { segmentsFrom } from "#history/index.ts";
import type { BlockStore } from "#model/block-store.ts";
import type { HistoryMark } from "#model/history.ts";
import type { Surroundings } from "./open-share.ts";

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
  const log = new RecoveredLog(directory, instance, segmentBytes, clock.now().nsec);
  let last = mark.oldestNeeded - 1;
  try {
    for await (const segment of segmentsFrom(blocks, Buffer.from(instance).toString("hex"), { epoch: mark.fromEpoch, number: mark.fromNumber })) {
      for (const record of segment.content()) {
        if (record.sequence <= last) continue;
        last = record.sequence;
        log.add(record);
      }
    }
  } catch (error) {
    await log.discard();
    throw new Error(
      `the log of share ${share} in ${directory} is gone, and the part of it that its block store keeps can't be read (${(error as Error).message}). ` +
        "It starts once the store answers; to start without what the log had, put the old log back or turn the store's history off",
    );
  }
  await log.finish();
  logger.warn({ records: log.records }, "the share's log was gone; what its block store keeps of it was put in its place");
}
