import type { Credentials } from "#model/credentials.ts";
import type { FileId } from "#model/ids.ts";
import type { FileOpens } from "./file-opens.ts";
import type { Lease } from "./lease.ts";

/** Where a name is. */
export interface Place {
  readonly parent: FileId;
  readonly name: string;
}

export function samePlace(a: Place | null, b: Place | null): boolean {
  return a === b || (a !== null && b !== null && a.parent === b.parent && a.name === b.name);
}

/**
 * An open of a file by a protocol that has opens. It lives from its admission to `FileSystem.close`, whatever becomes of the
 * connection and session it was made in.
 */
export class OpenFile {
  readonly file: FileOpens;
  /** Rights it was given (MS-DTYP 2.4.3). */
  readonly access: number;
  /** What it lets others do. */
  readonly sharing: number;
  readonly who: Credentials;
  /** Where its name is now, whoever renamed it; null: the share's root. */
  place: Place | null;
  /** Its close asks for the file to be deleted. */
  deleteOnClose: boolean;
  /** Its oplock, or the lease it shares. */
  lease: Lease | null = null;
  /** The lease on the directory whose holder knows of changes made by this open. */
  readonly parentKey: string | null;
  /** It wrote: whoever lists its directory learns of that at its close. */
  modified = false;
  /** The content is still to be emptied, as it was opened to. */
  emptying: boolean;
  closed = false;
  /** A directory it renames goes whoever has something beneath it open, as POSIX has it. */
  movesOpen = false;
  /** A file whose name it takes may be open, by opens that let it be deleted, as POSIX has it. */
  replacesOpen = false;

  constructor(file: FileOpens, request: OpenRequest) {
    this.file = file;
    this.access = request.access;
    this.sharing = request.sharing;
    this.who = request.who;
    this.place = request.place;
    this.deleteOnClose = request.deleteOnClose;
    this.parentKey = request.parentKey;
    this.emptying = request.overwrites;
  }
}

/** What a client asks to cache with an open. */
export interface CachingRequest {
  /** Of a lease, unique to the client and key; null: an oplock. */
  readonly key: string | null;
  readonly state: number;
  /** Epoch the client knows of its lease. */
  readonly epoch: number;
}

export interface OpenRequest {
  readonly who: Credentials;
  readonly access: number;
  /** Rights it uses in the act of opening and has not afterwards: to empty a file is to write. */
  readonly momentary: number;
  readonly sharing: number;
  readonly place: Place | null;
  readonly directory: boolean;
  /** The content is to be replaced. */
  readonly overwrites: boolean;
  readonly deleteOnClose: boolean;
  readonly caching: CachingRequest | null;
  readonly parentKey: string | null;
  /** It waited for others before. */
  readonly retried: boolean;
}
