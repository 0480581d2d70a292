import { FsCode, FsError } from "#model/fs-error.ts";
import { instrument, type Operation, type Span } from "#telemetry/tracing/index.ts";
import type { Share } from "./share.ts";

const file = "dittofs.file.id";
const directory = "dittofs.directory.id";
const onFile: Operation = [[file, 1]];
const inDirectory: Operation = [[directory, 1]];
const onRange: Operation = [[file, 1], ["dittofs.offset", 2], ["dittofs.length", 3]];
const plain: Operation = [];

/** The operations, with where their arguments have what their spans say. Names are the users': they are not among it. */
const operations: { readonly [Name in keyof Share]?: Operation } = {
  getattr: [[file, 0]],
  setattr: onFile,
  lookup: inDirectory,
  lookupFolded: inDirectory,
  access: onFile,
  readlink: onFile,
  read: onRange,
  write: [[file, 1], ["dittofs.offset", 2], ["dittofs.length", 4], ["dittofs.stable", 5]],
  allocated: onRange,
  punch: onRange,
  becomeLink: plain,
  clone: plain,
  copy: plain,
  commit: onFile,
  create: inDirectory,
  mkdir: inDirectory,
  symlink: inDirectory,
  mknod: inDirectory,
  remove: inDirectory,
  rmdir: inDirectory,
  rename: [[directory, 1], ["dittofs.directory.to.id", 3]],
  link: [[file, 1], [directory, 2]],
  readdir: inDirectory,
  usage: plain,
  release: plain,
  contend: plain,
  setDeletion: plain,
  xattr: onFile,
  xattrs: onFile,
  setXattr: onFile,
  setSecurity: onFile,
  streams: onFile,
  openStream: onFile,
  makeStream: onFile,
  removeStream: onFile,
  renameStream: onFile,
};

/** Has the operations of a share be spans of the requests they are done for. */
export function traceShare(share: Share): void {
  instrument(share, "vfs", operations, { "dittofs.share": share.name }, outcome);
}

/** A refusal is an answer; only what it can't do for a fault of its own is an error. */
function outcome(span: Span, result: unknown): void {
  if (!(result instanceof FsError)) return;
  span.set("dittofs.outcome", result.code);
  if (result.code === FsCode.io) span.fail(result.code);
}
