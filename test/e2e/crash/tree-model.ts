import type { Handle, Timestamp } from "../../support/nfs-types.ts";
import { FileModel } from "./file-model.ts";

/** What the tree must look like: every completed operation is in it; operations that were never answered wait to be judged. */

export type NodeKind = "file" | "directory" | "symlink";

export class ModelNode {
  readonly serial: number;
  readonly kind: NodeKind;
  handle: Handle = new Uint8Array(0);
  fileid = 0n;
  /** Null: not known (an exclusive create that was not finished). */
  mode: number | null;
  /** Names of a file or symbolic link. */
  links = 1;
  /** The mtime it must have; null when a change under way leaves it open. */
  mtime: Timestamp | null = null;
  /** The latest mtime the server has told since an explicit one was set. */
  serverMtime: Timestamp | null = null;
  readonly content = new FileModel();
  readonly entries = new Map<string, ModelNode>();
  parent: ModelNode | null = null;
  target = "";

  constructor(serial: number, kind: NodeKind, mode: number | null) {
    this.serial = serial;
    this.kind = kind;
    this.mode = mode;
  }

  get subdirectories(): number {
    let count = 0;
    for (const child of this.entries.values()) if (child.kind === "directory") count++;
    return count;
  }

  /** A reply told the server's mtime of a file whose content is changing. */
  sawMtime(mtime: Timestamp): void {
    const known = this.serverMtime;
    if (known === null || mtime.sec > known.sec || (mtime.sec === known.sec && mtime.nsec > known.nsec)) this.serverMtime = mtime;
  }

  /** Whether `node` is this directory or lies below it. */
  contains(node: ModelNode): boolean {
    for (let at: ModelNode | null = node; at !== null; at = at.parent) if (at === this) return true;
    return false;
  }
}

/** An operation on names. Until it is answered it is unknown whether it happened; never that it half happened. */
export type NameOperation =
  | { readonly kind: "make"; readonly directory: ModelNode; readonly name: string; readonly node: ModelNode }
  | { readonly kind: "remove"; readonly directory: ModelNode; readonly name: string; readonly node: ModelNode }
  | { readonly kind: "link"; readonly directory: ModelNode; readonly name: string; readonly node: ModelNode }
  | {
      readonly kind: "rename";
      readonly from: ModelNode;
      readonly fromName: string;
      readonly to: ModelNode;
      readonly toName: string;
      readonly node: ModelNode;
      /** What the new name meant before. */
      readonly over: ModelNode | null;
    };

/** An attribute change that was never answered. */
export interface AttributeOperation {
  readonly kind: "attributes";
  readonly node: ModelNode;
  readonly mode: number | null;
  readonly mtime: Timestamp | null;
  readonly size: number | null;
}
export type Operation = NameOperation | AttributeOperation;

/** What a directory was found to hold: fileid by name. */
export type Seen = ReadonlyMap<string, bigint>;

export class TreeModel {
  readonly root = new ModelNode(0, "directory", null);
  private serials = 0;
  /** Handles of files that were deleted: they must be stale for ever. */
  dead: Handle[] = [];

  node(kind: NodeKind, mode: number | null): ModelNode {
    return new ModelNode(++this.serials, kind, mode);
  }

  /** Every object once, parents before children. */
  all(): ModelNode[] {
    const found = new Set<ModelNode>([this.root]);
    for (const node of found) for (const child of node.entries.values()) found.add(child);
    return [...found];
  }

  /** An operation happened. */
  apply(op: NameOperation): void {
    switch (op.kind) {
      case "make":
        op.directory.entries.set(op.name, op.node);
        op.node.parent = op.directory;
        return;
      case "link":
        op.directory.entries.set(op.name, op.node);
        op.node.links++;
        return;
      case "remove":
        op.directory.entries.delete(op.name);
        this.unlinked(op.node);
        return;
      case "rename":
        if (op.over === op.node) return;
        op.from.entries.delete(op.fromName);
        op.to.entries.set(op.toName, op.node);
        if (op.node.kind === "directory") op.node.parent = op.to;
        if (op.over !== null) this.unlinked(op.over);
    }
  }

  private unlinked(node: ModelNode): void {
    if (node.kind !== "directory" && --node.links > 0) return;
    this.dead.push(node.handle);
    if (this.dead.length > 40) this.dead.shift();
  }
}

/** Whether an unanswered operation happened, told from what its names mean now; a text when it half happened. */
export function judge(op: NameOperation, seen: (directory: ModelNode) => Seen | undefined): boolean | string {
  switch (op.kind) {
    case "make":
      return seen(op.directory)?.has(op.name) ?? false;
    case "link": {
      const now = seen(op.directory)?.get(op.name);
      return now === undefined ? false : now === op.node.fileid || `link ${op.name} refers to ${now}, not to ${op.node.fileid}`;
    }
    case "remove":
      return !(seen(op.directory)?.has(op.name) ?? false);
    case "rename": {
      if (op.over === op.node) return false;
      const source = seen(op.from)?.get(op.fromName);
      const target = seen(op.to)?.get(op.toName);
      if (source === undefined && target === op.node.fileid) return true;
      if (source === op.node.fileid && target === op.over?.fileid) return false;
      const over = op.over === null ? "nothing" : String(op.over.fileid);
      return `rename ${op.fromName} (${op.node.fileid}) to ${op.toName} (${over}) half happened: now ${source ?? "nothing"} and ${target ?? "nothing"}`;
    }
  }
}
