import type { Time } from "#base/time.ts";
import type { FileOpens } from "#vfs/opens/index.ts";

/** What SMB clients are told of the write time of a file that is being written; what is stored is always the last write's. */
export interface Delayed {
  /** Told instead of the stored one. */
  shown: Time;
  /** When that ends (monotonic); never: only a flush, a change of times or size, or the last close ends it. */
  untilMs: number;
}

/** What SMB keeps of a file while it is open. */
class FileNotes {
  /**
   * There are writes that its write time does not tell of yet (MS-FSA 2.1.4.17). An open that set the time itself moves it no more
   * (MS-FSA 2.1.5.15.2).
   */
  delayed: Delayed | null = null;
  /** Room that a client had reserved for it: told, and not taken from anybody, as content takes room when it comes. */
  reservedBytes = 0;
}

/** What was noted of a file; null: nothing. */
export function notesOf(file: FileOpens): FileNotes | null {
  return file.notes instanceof FileNotes ? file.notes : null;
}

/** The same to be written to. */
export function noting(file: FileOpens): FileNotes {
  const known = notesOf(file);
  if (known !== null) return known;
  const notes = new FileNotes();
  file.notes = notes;
  return notes;
}
