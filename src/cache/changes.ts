import type { Clock } from "#base/clock.ts";
import { giveBack } from "#base/lent-memory.ts";
import { type Time, timeAfter } from "#base/time.ts";
import type { ContentReferences } from "#model/file-content.ts";
import { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { Admission } from "./admission.ts";
import type { FileState } from "./file-state.ts";
import type { FileTable } from "./file-table.ts";
import type { FlushLoop } from "./flush-loop.ts";
import type { Flusher } from "./flusher.ts";
import type { Garbage } from "./garbage.ts";
import type { WriteAheadLog } from "./log/index.ts";
import type { OpenPackRef } from "./pack-table.ts";
import type { Appended } from "./packs/index.ts";
import { laidRuns } from "./sharing.ts";
import type { Space } from "./space.ts";
import type { StoredWaits } from "./stored-waits.ts";

/** From this size on a write's bytes go straight into a pack; the log gets a record that points there. */
const largeWriteBytes = 128 * 1024;
/** A longer write is the thread pool's in any case. */
const promptBytesMax = 1024 * 1024;
/** After a removal the log forgets what it kept for the file, within this. */
const forgetAfterMs = 20;

export interface ChangesParts {
  readonly files: FileTable;
  readonly log: WriteAheadLog;
  readonly flusher: Flusher;
  readonly admission: Admission;
  readonly loop: FlushLoop;
  readonly storedWaits: StoredWaits;
  readonly garbage: Garbage;
  readonly store: MetadataStore;
  readonly space: Space;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Accepts changes of files: a record in the log, the bytes in pages or a pack, and what the file's inode is from then on; and forgets files. */
export class Changes {
  private readonly files: FileTable;
  private readonly log: WriteAheadLog;
  private readonly flusher: Flusher;
  private readonly admission: Admission;
  private readonly loop: FlushLoop;
  private readonly storedWaits: StoredWaits;
  private readonly garbage: Garbage;
  private readonly store: MetadataStore;
  private readonly room: Space;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private closed = false;
  private releasing = false;

  constructor(parts: ChangesParts) {
    this.files = parts.files;
    this.log = parts.log;
    this.flusher = parts.flusher;
    this.admission = parts.admission;
    this.loop = parts.loop;
    this.storedWaits = parts.storedWaits;
    this.garbage = parts.garbage;
    this.store = parts.store;
    this.room = parts.space;
    this.clock = parts.clock;
    this.logger = parts.logger;
  }

  write(inode: Inode, offset: number, payload: readonly Uint8Array[], length: number, at: Time): Inode | FsError {
    const file = this.files.of(inode);
    const refused = this.refuse(file, inode);
    if (refused !== null) return refused;
    const size = Math.max(file.size, offset + length);
    // An explicit mtime in the future ends with the next write, as on a local disk.
    const stamp = timeAfter(inode.ctime, at);
    const unstored = file.unstoredBytes;
    const error =
      length >= largeWriteBytes
        ? this.writeLarge(file, offset, payload, length, size, stamp)
        : this.writeSmall(file, offset, payload, length, size, stamp);
    if (error !== null) return error;
    this.room.accept(length);
    return this.changed(file, inode, stamp, unstored);
  }

  truncate(inode: Inode, size: number, at: Time): Inode | FsError {
    const file = this.files.of(inode);
    const refused = this.refuse(file, inode);
    if (refused !== null) return refused;
    const stamp = timeAfter(inode.ctime, at);
    const sequence = this.log.appendTruncate(file.id, size, stamp);
    if (sequence instanceof FsError) return sequence;
    const unstored = file.unstoredBytes;
    if (size < file.size) this.files.cutAt(file, size);
    this.files.accept(file, sequence, size, stamp, stamp);
    return this.changed(file, inode, stamp, unstored);
  }

  punch(inode: Inode, offset: number, length: number, at: Time): Inode | FsError {
    const file = this.files.of(inode);
    const refused = this.refuse(file, inode);
    if (refused !== null) return refused;
    const cut = Math.min(length, file.size - offset);
    if (cut <= 0) return inode;
    const stamp = timeAfter(inode.ctime, at);
    const sequence = this.log.appendPunch(file.id, offset, cut, file.size, stamp);
    if (sequence instanceof FsError) return sequence;
    const unstored = file.unstoredBytes;
    this.files.lay(file, offset, [{ length: cut, pack: null, packOffset: 0 }], sequence);
    this.files.accept(file, sequence, file.size, stamp, stamp);
    return this.changed(file, inode, stamp, unstored);
  }

  clone(inode: Inode, offset: number, from: ContentReferences, at: Time): Inode | FsError {
    const file = this.files.of(inode);
    const refused = this.refuse(file, inode);
    if (refused !== null) return refused;
    const stamp = timeAfter(inode.ctime, at);
    const size = Math.max(file.size, offset + from.length);
    const sequence = this.log.appendClone(file.id, offset, from.runs, size, stamp);
    if (sequence instanceof FsError) return sequence;
    const unstored = file.unstoredBytes;
    this.files.lay(file, offset, laidRuns(from), sequence);
    this.files.accept(file, sequence, size, stamp, stamp);
    return this.changed(file, inode, stamp, unstored);
  }

  /** The file is gone: what is left of it needs no store any more. */
  forget(id: FileId): void {
    if (this.room.isShort) this.garbage.soon();
    const file = this.files.get(id);
    if (file === undefined || file.gone) return;
    const wasUnstored = file.isUnstored;
    this.loop.rewriting.dropped(file);
    this.files.drop(file);
    if (!wasUnstored) return;
    this.storedWaits.look();
    this.releaseSoon();
  }

  /** Why a file takes no change, or null. */
  private refuse(file: FileState, inode: Inode): FsError | null {
    if (file.gone) return FsError.of("stale");
    if (this.log.sequence >= inode.contentSequence) return null;
    // The store would take such a change for one it has.
    this.logger.error({ file: file.id, stored: inode.contentSequence, log: this.log.sequence }, "the log is older than the file's content; it takes no writes");
    return FsError.of("io");
  }

  private writeSmall(file: FileState, offset: number, payload: readonly Uint8Array[], length: number, size: number, stamp: Time): FsError | null {
    const sequence = this.log.appendWrite(file.id, offset, payload, length, size, stamp);
    if (sequence instanceof FsError) return sequence;
    this.loop.rewriting.wrote(file, offset, length);
    this.files.writeToPages(file, offset, payload, length);
    this.files.accept(file, sequence, size, stamp, stamp);
    return null;
  }

  private writeLarge(file: FileState, offset: number, payload: readonly Uint8Array[], length: number, size: number, stamp: Time): FsError | null {
    const pack = this.flusher.packFor(length);
    if (pack instanceof FsError) return pack;
    const now = this.appendNow(pack, payload, length);
    const { offset: packOffset, crc } = now ?? this.appendLater(pack, payload, length);
    const sequence = this.log.appendPointer(file.id, offset, length, size, stamp, pack.id, packOffset, crc);
    if (sequence instanceof FsError) return sequence;
    this.files.writeToPack(file, offset, payload, length, pack, packOffset, sequence);
    this.files.accept(file, sequence, size, stamp, stamp);
    // Checksums and pages were done with it before.
    if (now !== null) giveBack(payload);
    return null;
  }

  private appendNow({ file }: OpenPackRef, payload: readonly Uint8Array[], length: number): Appended | null {
    const { pace } = this.flusher;
    if (file === null || length > promptBytesMax || !pace.isBrisk) return null;
    const since = this.clock.monotonicMs();
    const appended = file.appendNow(payload, length);
    pace.wrote(since);
    return appended;
  }

  private appendLater({ file }: OpenPackRef, payload: readonly Uint8Array[], length: number): Appended {
    this.admission.began(length);
    return (file as NonNullable<typeof file>).appendLater(payload, length, () => {
      this.admission.written(length);
      giveBack(payload);
    });
  }

  /** The inode after a change, before which the file had `unstored` bytes in no store. */
  private changed(file: FileState, inode: Inode, stamp: Time, unstored: number): Inode {
    file.change = this.store.draw();
    this.loop.schedule();
    // What is overwritten counts twice until it is stored, but no file uses more than its size. Nor may one with data ever
    // seem to use nothing: archivers take that for a file that is all hole.
    const used = Math.min(file.size - file.pending.holes, inode.used + file.unstoredBytes - unstored);
    return inode.with({ size: file.size, mtime: stamp, ctime: stamp, change: file.change, used });
  }

  /** Removals that come together let the log forget together: to find what it must keep, every unstored file is looked at. */
  private releaseSoon(): void {
    if (this.releasing) return;
    this.releasing = true;
    this.clock.after(forgetAfterMs, () => {
      this.releasing = false;
      if (this.closed) return;
      this.flusher.releaseLog();
      this.admission.letIn();
    });
  }

  /** The log is about to be closed. */
  close(): void {
    this.closed = true;
  }
}
