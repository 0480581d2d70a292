import type { FileId, PackId } from "#model/ids.ts";

/** A row that an evaluation asks for and the view does not know. */
export type Need =
  | { readonly what: "inode"; readonly id: FileId }
  | { readonly what: "name"; readonly parent: FileId; readonly name: string }
  /** All names of a directory with a key. */
  | { readonly what: "folding"; readonly parent: FileId; readonly key: string }
  | { readonly what: "entries"; readonly id: FileId }
  | { readonly what: "pack"; readonly id: PackId }
  | { readonly what: "extents"; readonly file: FileId; readonly from: number; readonly to: number }
  | { readonly what: "sum"; readonly file: FileId; readonly from: number; readonly to: number }
  /** Bytes of a pack that extents refer to, counted. */
  | { readonly what: "referred"; readonly id: PackId }
  | { readonly what: "usage" };

/** Thrown by the rows: what is needed has to be fetched before the set can be evaluated. */
export class Unknown extends Error {
  readonly need: Need;

  constructor(need: Need) {
    super("a row is not at hand");
    this.need = need;
  }
}
