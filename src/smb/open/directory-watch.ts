import type { FileSystem } from "#vfs/file-system.ts";
import type { Watch, WatchedChange } from "#vfs/notify/index.ts";
import type { NotifyEntry } from "#wire/fscc-notify.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { shownName, shownStream } from "./names.ts";
import type { Open } from "./open.ts";

/** Bytes of changes kept for one open directory, whatever its client has room for; as Windows over a network. */
const bufferBytesMax = 65_536;
/** Requests that wait for changes of one open directory. */
const waitingMax = 64;

/** What a request is answered by: entries, or why there are none. */
export type Notified = readonly NotifyEntry[] | NtStatus;

/** Gets the answer to one request; it is called once. */
export type Waiter = (answer: Notified) => void;

/**
 * What an open directory tells of its changes. The first request says what of, how deep and how much is kept; later ones take what
 * came since or wait, first come, first served (MS-FSA 2.1.5.11, FsRtlNotifyFullChangeDirectory).
 */
export class DirectoryWatch {
  private readonly fs: FileSystem;
  private readonly watch: Watch;
  private readonly waiters: Waiter[] = [];
  private closed = false;

  constructor(open: Open, recursive: boolean, concerns: number, bytesMax: number) {
    this.fs = open.tree.fs!;
    this.watch = this.fs.notify.watch({
      directory: open.id,
      recursive,
      who: () => open.tree.credentials(),
      concerns,
      bytesMax: Math.min(bytesMax, bufferBytesMax),
      told: () => this.tell(),
    });
  }

  /** What there is to answer now; null: nothing yet. */
  take(): Notified | null {
    if (this.closed) return NtStatus.NOTIFY_CLEANUP;
    if (this.watch.removed) return NtStatus.DELETE_PENDING;
    if (!this.watch.ready) return null;
    return entriesOf(this.watch.take());
  }

  /** Has `waiter` answered by the next change; false where too many wait. */
  wait(waiter: Waiter): boolean {
    if (this.waiters.length >= waitingMax) return false;
    this.waiters.push(waiter);
    return true;
  }

  /** The client wants no answer any more. */
  leave(waiter: Waiter, status: NtStatus): void {
    const at = this.waiters.indexOf(waiter);
    if (at < 0) return;
    this.waiters.splice(at, 1);
    waiter(status);
  }

  /** The directory is closed: nothing is kept, and who waits is told (MS-SMB2 3.3.5.10). */
  close(): void {
    this.closed = true;
    this.fs.notify.unwatch(this.watch);
    this.tell();
  }

  private tell(): void {
    while (this.waiters.length > 0) {
      const answer = this.take();
      if (answer === null) return;
      this.waiters.shift()!(answer);
    }
  }
}

function entriesOf(changes: readonly WatchedChange[] | null): Notified {
  if (changes === null) return NtStatus.NOTIFY_ENUM_DIR;
  return changes.map(({ action, path }) => ({ action, name: shownPath(path) }));
}

/** A path of the vfs as clients see it. */
function shownPath(path: string): string {
  const mark = path.indexOf("\0");
  const names = (mark < 0 ? path : path.slice(0, mark)).split("/").map(shownName).join("\\");
  return mark < 0 ? names : `${names}:${shownStream(path.slice(mark + 1))}`;
}
