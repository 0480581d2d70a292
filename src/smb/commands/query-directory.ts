import type { Maybe } from "#base/brand.ts";
import { FsError } from "#model/fs-error.ts";
import type { Inode } from "#model/inode.ts";
import type { Listing } from "#vfs/file-system.ts";
import { after } from "#vfs/maybe.ts";
import { FileInfo } from "#wire/fscc.ts";
import { encodeEntry, entryFixedBytes } from "#wire/fscc-directory.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { AccessMask } from "#wire/smb2/create.ts";
import { headerBytes } from "#wire/smb2/header.ts";
import { decodeQueryDirectory, encodeOutputHeader, outputHeaderBytes, QueryDirectoryFlag, type QueryDirectoryRequest } from "#wire/smb2/query.ts";
import type { Call } from "../call.ts";
import { type Extras, extrasOf } from "../open/extras.ts";
import { factsOf } from "../open/facts.ts";
import { shownName, storedName } from "../open/names.ts";
import type { Open } from "../open/open.ts";
import { type Found, lookup } from "../open/path.ts";
import { Scan } from "../open/scan.ts";
import { expressionOf } from "../open/wildcard.ts";
import { toldWhenSlow } from "../pending.ts";
import { ntStatusOf } from "../status.ts";
import { fileOf } from "./file-of.ts";

/** Entries begin at multiples of this. */
const entryAlignment = 8;

/** QUERY_DIRECTORY (MS-SMB2 3.3.5.18). */
export function queryDirectory(call: Call): Maybe<number> {
  const request = decodeQueryDirectory(call.bytes, call.base, call.end);
  if (request === null) return NtStatus.INVALID_PARAMETER;
  const open = fileOf(call, request.fileIdAt);
  if (typeof open === "number") return open;
  if (open.pipe !== null) return NtStatus.INVALID_DEVICE_REQUEST;
  const { infoClass, outputBytesMax } = request;
  const fixed = entryFixedBytes(infoClass);
  if (fixed === 0) return NtStatus.INVALID_INFO_CLASS;
  if (!open.directory || outputBytesMax > call.connection.transactBytesMax) return NtStatus.INVALID_PARAMETER;
  if ((open.access & AccessMask.READ_DATA) === 0) return NtStatus.ACCESS_DENIED;
  if (outputBytesMax < fixed) return NtStatus.INFO_LENGTH_MISMATCH;
  const status = inTurn(open, () => {
    const page = new Page(call, open, scanFor(open, request), request);
    return page.scan.ended ? page.finish() : page.fill();
  });
  return status instanceof Promise ? toldWhenSlow(call, status) : status;
}

/** One request of an open's listing after the other: each begins where the one before ended. */
function inTurn(open: Open, work: () => Maybe<number>): Maybe<number> {
  const before = open.listing;
  const answer = before === null ? work() : before.then(work);
  if (!(answer instanceof Promise)) return answer;
  const over = answer.then(ignore, ignore).then(() => {
    if (open.listing === over) open.listing = null;
  });
  open.listing = over;
  return answer;
}

function ignore(): void {}

/** The scan that `request` goes on with or begins; a pattern is kept until the scan is opened anew. */
function scanFor(open: Open, { flags, pattern, fileIndex }: QueryDirectoryRequest): Scan {
  let { scan } = open;
  if (scan === null || (flags & QueryDirectoryFlag.REOPEN) !== 0) scan = new Scan(expressionOf(pattern === "" ? "*" : pattern));
  else if ((flags & QueryDirectoryFlag.RESTART_SCANS) !== 0) scan = new Scan(scan.expression);
  // Entries tell their cookie as index. 0 is no entry's, and some clients set the flag without one.
  if ((flags & QueryDirectoryFlag.INDEX_SPECIFIED) !== 0 && fileIndex !== 0) {
    scan.cookie = fileIndex;
    scan.ended = false;
  }
  open.scan = scan;
  return scan;
}

/** One answer being filled. */
class Page {
  readonly scan: Scan;
  private readonly call: Call;
  private readonly open: Open;
  private readonly infoClass: number;
  private readonly fixed: number;
  private readonly room: number;
  private readonly entriesMax: number;
  /** Names of the entries taken, as they are shown. */
  private readonly names: string[] = [];
  /** Bytes the entries taken need. */
  private used = 0;
  private noRoom = false;
  private readonly accept: (name: string) => boolean | null;

  constructor(call: Call, open: Open, scan: Scan, request: QueryDirectoryRequest) {
    this.call = call;
    this.open = open;
    this.scan = scan;
    this.infoClass = request.infoClass;
    this.fixed = entryFixedBytes(request.infoClass);
    this.room = request.outputBytesMax;
    this.entriesMax = (request.flags & QueryDirectoryFlag.RETURN_SINGLE_ENTRY) !== 0 ? 1 : Number.POSITIVE_INFINITY;
    this.accept = (name) => this.take(name);
  }

  /** Lists until there is something to answer. */
  fill(): Maybe<number> {
    const { literal } = this.scan.expression;
    if (literal !== null && this.scan.cookie === 0) return this.fillWith(literal);
    const listed = this.list();
    return listed instanceof Promise ? listed.then((page) => this.taken(page)) : this.taken(listed);
  }

  /** One name at most: it is looked up, however many the directory has. */
  private fillWith(name: string): Maybe<number> {
    const { open } = this;
    const found = lookup(open.tree.fs!, open.tree.credentials(), open.id, storedName(name));
    return found instanceof Promise ? found.then((entry) => this.found(entry)) : this.found(found);
  }

  private found(entry: Found): Maybe<number> {
    if (typeof entry === "number") return entry;
    if (entry === null || this.take(entry.name) !== true) return this.endWithOne();
    return after(this.encode(entry.directory, [{ inode: entry.inode, cookie: 0 }]), () => this.endWithOne());
  }

  private endWithOne(): number {
    this.scan.ended = !this.noRoom;
    return this.finish();
  }

  private list(): Maybe<Listing | FsError> {
    const { open, scan } = this;
    return open.tree.fs!.readdir(open.tree.credentials(), open.id, scan.cookie, scan.verifier, true, this.accept);
  }

  private taken(page: Listing | FsError): Maybe<number> {
    if (page instanceof FsError) return ntStatusOf(page);
    return after(this.encode(page.directory, page.entries), () => this.goOn(page));
  }

  private goOn(page: Listing): Maybe<number> {
    const { scan, call } = this;
    scan.verifier = page.verifier;
    scan.cookie = page.cookie;
    scan.ended = page.end;
    if (this.used > 0 || page.end || this.noRoom) return this.finish();
    // So many names passed over: others get their turn.
    return new Promise<void>((done) => call.connection.server.clock.atTurnEnd(done)).then(() => this.fill());
  }

  /** Whether an entry has room; null: it is not asked for. */
  private take(name: string): boolean | null {
    const shown = shownName(name);
    if (!this.scan.expression.matches(shown)) return null;
    const { names } = this;
    if (names.length >= this.entriesMax) return false;
    const end = aligned(this.used) + this.fixed + shown.length * 2;
    if (end > this.room) {
      this.noRoom = names.length === 0;
      return false;
    }
    this.used = end;
    names.push(shown);
    return true;
  }

  /** Writes the entries taken. One that vanished meanwhile, or that the caller may not look at, leaves its room unused. */
  private encode(directory: Inode, entries: readonly Taken[]): Maybe<void> {
    const { open, infoClass } = this;
    if (infoClass === FileInfo.Names || infoClass === FileInfo.Directory) return this.write(entries, null);
    const apple = open.tree.appleListings && infoClass === FileInfo.IdBothDirectory;
    return after(extrasOf(open.tree, directory, entries, apple), (extras) => this.write(entries, extras));
  }

  private write(entries: readonly Taken[], extras: Extras): void {
    const { w } = this.call;
    const { names, infoClass } = this;
    encodeOutputHeader(w, 0);
    w.reserve(this.used);
    const from = w.at;
    let lastAt = -1;
    for (let i = 0; i < entries.length; i++) {
      const { inode, cookie } = entries[i]!;
      if (inode === null) continue;
      w.align(entryAlignment, from);
      if (lastAt >= 0) w.setU32(lastAt, w.at - lastAt);
      lastAt = w.at;
      const extra = extras === null ? null : extras[i]!;
      encodeEntry(w, infoClass, names[i]!, cookie < twoTo32 ? cookie : 0, factsOf(inode), extra === null ? 0 : extra.eaBytes, extra === null ? null : extra.apple);
    }
    this.used = w.at - from;
    if (this.used === 0) w.at = from - outputHeaderBytes;
    names.length = 0;
  }

  finish(): number {
    const { call, scan, used } = this;
    if (used === 0) {
      if (this.noRoom) return NtStatus.INFO_LENGTH_MISMATCH;
      return scan.gave ? NtStatus.NO_MORE_FILES : NtStatus.NO_SUCH_FILE;
    }
    const { w } = call;
    const from = w.at - used;
    scan.gave = true;
    w.setU16(from - outputHeaderBytes + 2, headerBytes + outputHeaderBytes);
    w.setU32(from - 4, used);
    return NtStatus.SUCCESS;
  }
}

const twoTo32 = 4294967296;

/** An entry that was taken. */
interface Taken {
  readonly inode: Inode | null;
  readonly cookie: number;
}

function aligned(at: number): number {
  return (at + entryAlignment - 1) & ~(entryAlignment - 1);
}
