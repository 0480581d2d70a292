import { FsError } from "#model/fs-error.ts";
import { LogStats, type WriteAheadLog } from "./index.ts";

/** The log of an ephemeral share: counts sequences and keeps nothing. */
export function nullLog(): WriteAheadLog {
  return new NullLog();
}

class NullLog implements WriteAheadLog {
  sequence = 0;
  readonly bytes = 0;
  readonly stats: LogStats = new LogStats();

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
