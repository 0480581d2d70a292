import { FsError } from "#model/fs-error.ts";
import { LogStats, type WriteAheadLog } from "./index.ts";

/** The log of an ephemeral share: counts sequences above `above` and keeps nothing. */
export function nullLog(above: number): WriteAheadLog {
  return new NullLog(above);
}

class NullLog implements WriteAheadLog {
  sequence: number;
  readonly bytes = 0;
  readonly stats: LogStats = new LogStats();

  constructor(above: number) {
    this.sequence = above;
  }

  appendWrite(): number | FsError {
    return ++this.sequence;
  }
  appendPointer(): number | FsError {
    return ++this.sequence;
  }
  appendTruncate(): number | FsError {
    return ++this.sequence;
  }
  appendClone(): number | FsError {
    return ++this.sequence;
  }
  appendPunch(): number | FsError {
    return ++this.sequence;
  }
  written(): void {}
  durable(): void {}
  release(): void {}
  async close(): Promise<void> {}
}
