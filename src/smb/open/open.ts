import type { FileId } from "#model/ids.ts";
import type { Pipe } from "../pipe/pipe.ts";
import type { Tree } from "../tree/tree.ts";

/** Where a listing stands. */
export interface Scan {
  readonly pattern: string;
  cookie: number;
  verifier: Uint8Array;
  ended: boolean;
  /** It gave an entry at least: none at all is another status than no more. */
  gave: boolean;
}

/** An open file or directory (MS-SMB2 3.3.1.10). */
export class Open {
  readonly number: number;
  readonly tree: Tree;
  readonly id: FileId;
  readonly directory: boolean;
  /** Rights of MS-DTYP 2.4.3 it was opened with, generic ones resolved. */
  readonly access: number;
  /** Where its name is; null: the share's root. */
  place: { parent: FileId; name: string } | null;
  /** Its path in the share, parts separated by backslashes. */
  path: string;
  deleteOnClose = false;
  scan: Scan | null = null;
  /** Of IPC$: what is open is a pipe and no file. */
  pipe: Pipe | null = null;
  readonly fileId: Uint8Array;

  constructor(number: number, tree: Tree, id: FileId, directory: boolean, access: number, place: { parent: FileId; name: string } | null, path: string) {
    this.number = number;
    this.tree = tree;
    this.id = id;
    this.directory = directory;
    this.access = access;
    this.place = place;
    this.path = path;
    this.fileId = new Uint8Array(16);
    const view = new DataView(this.fileId.buffer);
    // The other half differs from one start of the server to the next, as the session's does: an id never comes back.
    view.setUint32(0, number, true);
    view.setUint32(4, tree.session.salt, true);
    view.setUint32(8, number, true);
    view.setUint32(12, tree.session.salt, true);
  }
}
