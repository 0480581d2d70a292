import type { Maybe } from "#base/brand.ts";
import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import { fold } from "#model/fold.ts";
import type { FileId } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { InodeFlag } from "#model/inode-flags.ts";
import type { FoldedUp } from "#vfs/attributed.ts";
import type { FileSystem } from "#vfs/file-system.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { ntStatusOf } from "../status.ts";
import { allowedUnit, shownName, storedName } from "./names.ts";

/** Deepest path. */
const partsMax = 256;
const nameUnitsMax = 255;

/** A path of a client, its names as they are stored. */
export interface SmbPath {
  /** From the share's root; none: the root itself. */
  readonly parts: readonly string[];
  /** A named stream of it; null: its data, or the directory. */
  readonly stream: string | null;
  /** What its type says: `$DATA`, `$INDEX_ALLOCATION`, or null where the path names none. */
  readonly type: StreamType | null;
}

/** Types of streams that a path may name (MS-FSCC 2.1.5.4). */
export const StreamType = { data: "$DATA", index: "$INDEX_ALLOCATION" } as const;
export type StreamType = (typeof StreamType)[keyof typeof StreamType];

/** Where a path leads: the object, or the directory and name where it would be. */
export interface Resolved {
  readonly parent: Inode;
  /** As it is stored, where it is; "" for the root. */
  readonly name: string;
  readonly inode: Inode | null;
  /** The whole path, its parts as they are stored where they are. */
  readonly parts: readonly string[];
}

const noParts: readonly string[] = [];
const root: SmbPath = { parts: noParts, stream: null, type: null };

/**
 * Reads `path` (MS-FSCC 2.1.5): parts separated by backslashes, the last with a stream behind a colon perhaps; a status for one
 * that no share can have. ".." is the part before it gone, as it is on the share's own tree, and never leads out of it.
 */
export function parsePath(path: string): SmbPath | NtStatus {
  if (path === "") return root;
  if (path.charCodeAt(0) === backslash) return NtStatus.INVALID_PARAMETER;
  const plain = plainParts(path);
  if (plain !== null) return { parts: plain, stream: null, type: null };
  const given = separated(path).split("\\");
  if (given.at(-1) === "") given.pop();
  if (given.length > partsMax) return NtStatus.OBJECT_NAME_INVALID;
  let stream: string | null = null;
  let type: StreamType | null = null;
  const last = given[given.length - 1]!;
  const colon = last.indexOf(":");
  if (colon >= 0) {
    const named = parseStream(last.slice(colon + 1));
    if (typeof named === "number") return named;
    ({ stream, type } = named);
    given[given.length - 1] = last.slice(0, colon);
    if (colon === 0) {
      if (given.length > 1) return NtStatus.OBJECT_NAME_INVALID;
      given.pop();
    }
  }
  const parts: string[] = [];
  for (let i = 0; i < given.length; i++) {
    const part = given[i]!;
    if (part === "..") {
      if (parts.pop() === undefined) return NtStatus.OBJECT_PATH_SYNTAX_BAD;
    } else if (isName(part)) parts.push(storedName(part));
    else return NtStatus.OBJECT_NAME_INVALID;
  }
  return { parts, stream, type };
}

/** A slash parts names too: some clients send what they were given. In the name of a stream it is an error. */
function separated(path: string): string {
  const colon = path.indexOf(":");
  return colon < 0 ? path.replaceAll("/", "\\") : path.slice(0, colon).replaceAll("/", "\\") + path.slice(colon);
}

/** `name`, `name:type` or `:type`, as they stand behind the first colon. */
function parseStream(text: string): { stream: string | null; type: StreamType | null } | NtStatus {
  const colon = text.indexOf(":");
  const name = colon < 0 ? text : text.slice(0, colon);
  const given = colon < 0 ? null : fold(text.slice(colon + 1));
  if (given !== null && given !== StreamType.data && given !== StreamType.index) return NtStatus.OBJECT_NAME_INVALID;
  // A colon with nothing behind it, neither name nor type.
  if (given === null && name === "") return NtStatus.OBJECT_NAME_INVALID;
  if (name.length > nameUnitsMax || /[\0/\\]/.test(name)) return NtStatus.OBJECT_NAME_INVALID;
  // A directory's entries are its stream $I30.
  if (given === StreamType.index) return name === "" || fold(name) === "$I30" ? { stream: null, type: given } : NtStatus.OBJECT_NAME_INVALID;
  return { stream: name === "" ? null : storedName(name), type: given };
}

const backslash = 0x5c;
const dot = 0x2e;
/** Surrogates, and characters that stand for others. */
const strangeUnit = 0xd800;

/** The directory of the last such path, with the backslash at its end, and its parts: clients go on where they were. */
let lastDirectory = "\\";
let lastParts: readonly string[] = noParts;

/** The parts of a path that holds nothing but names, none of which needs a closer look; null for any other. */
function plainParts(path: string): readonly string[] | null {
  const same = path.length > lastDirectory.length && path.startsWith(lastDirectory);
  const parts = same ? lastParts.slice() : [];
  const begun = same ? lastDirectory.length : 0;
  let from = begun;
  for (let i = from; i <= path.length; i++) {
    const unit = i === path.length ? backslash : path.charCodeAt(i);
    if (unit !== backslash) {
      if (unit >= strangeUnit || !allowedUnit(unit)) return null;
      continue;
    }
    if (i === from || i - from > nameUnitsMax || path.charCodeAt(from) === dot || parts.length === partsMax) return null;
    parts.push(from === 0 && i === path.length ? path : path.slice(from, i));
    if (i < path.length) from = i + 1;
  }
  if (from !== begun) {
    lastDirectory = path.slice(0, from);
    lastParts = parts.slice(0, -1);
  }
  return parts;
}

function isName(part: string): boolean {
  if (part.length === 0 || part.length > nameUnitsMax || part === ".") return false;
  for (let i = 0; i < part.length; i++) if (!allowedUnit(part.charCodeAt(i))) return false;
  return true;
}

/** The parts of a path that names no stream. */
export function partsOf(path: string): readonly string[] | NtStatus {
  const parsed = parsePath(path);
  if (typeof parsed === "number") return parsed;
  return parsed.stream === null && parsed.type === null ? parsed.parts : NtStatus.OBJECT_NAME_INVALID;
}

/** Walks `parts` from the root. */
export function resolve(fs: FileSystem, who: Credentials, parts: readonly string[]): Maybe<Resolved | NtStatus> {
  const begin = fs.root();
  return begin instanceof Promise ? begin.then((parent) => walk(fs, who, parent, parts, 0)) : walk(fs, who, begin, parts, 0);
}

function walk(fs: FileSystem, who: Credentials, from: Inode, given: readonly string[], index: number): Maybe<Resolved | NtStatus> {
  let parent = from;
  let parts = given;
  if (parts.length === 0) return { parent, name: "", inode: parent, parts };
  for (let i = index; ; i++) {
    const found = lookup(fs, who, parent.id, parts[i]!);
    if (found instanceof Promise) return later(fs, who, parent, parts, i, found);
    if (i < parts.length - 1 && found !== null && typeof found !== "number" && isDirectory(found.inode)) {
      parent = found.inode;
      parts = named(parts, i, found.name);
      continue;
    }
    const step = stepTo(parent, parts, i, found);
    if (!(step instanceof Below)) return step;
    parent = step.directory;
    parts = step.parts;
  }
}

/** One that the walk goes on in without more ado. */
function isDirectory({ type, flags }: Inode): boolean {
  return type === FileType.directory && (flags & InodeFlag.reparse) === 0;
}

function later(fs: FileSystem, who: Credentials, parent: Inode, parts: readonly string[], i: number, found: Promise<Found>): Promise<Resolved | NtStatus> {
  return found.then((arrived) => goOn(fs, who, parent, parts, i, arrived));
}

function goOn(fs: FileSystem, who: Credentials, parent: Inode, parts: readonly string[], i: number, found: Found): Maybe<Resolved | NtStatus> {
  const step = stepTo(parent, parts, i, found);
  return step instanceof Below ? walk(fs, who, step.directory, step.parts, i + 1) : step;
}

/** The walk goes on in this directory. */
class Below {
  readonly directory: Inode;
  readonly parts: readonly string[];
  constructor(directory: Inode, parts: readonly string[]) {
    this.directory = directory;
    this.parts = parts;
  }
}

export type Found = FoldedUp | NtStatus | null;

/** What finding `parts[i]` means: the end of the walk or one step down. */
function stepTo(parent: Inode, parts: readonly string[], i: number, found: Found): Resolved | NtStatus | Below {
  if (typeof found === "number") return found;
  const name = parts[i]!;
  if (i === parts.length - 1) {
    return found === null ? { parent, name, inode: null, parts } : { parent, name: found.name, inode: found.inode, parts: named(parts, i, found.name) };
  }
  if (found !== null && (found.inode.type === FileType.symlink || (found.inode.flags & InodeFlag.reparse) !== 0)) return NtStatus.STOPPED_ON_SYMLINK;
  if (found === null || found.inode.type !== FileType.directory) return NtStatus.OBJECT_PATH_NOT_FOUND;
  return new Below(found.inode, named(parts, i, found.name));
}

/** `parts` with the one at `i` as it is stored. */
function named(parts: readonly string[], i: number, name: string): readonly string[] {
  if (parts[i] === name) return parts;
  const stored = [...parts];
  stored[i] = name;
  return stored;
}

/** What a directory has under `name` in any case: its entry, null for none, or why that is not to be known. */
export function lookup(fs: FileSystem, who: Credentials, directory: FileId, name: string): Maybe<Found> {
  const answer = fs.lookupFolded(who, directory, name);
  return answer instanceof Promise ? answer.then((arrived) => foundOr(fs, who, directory, name, arrived)) : foundOr(fs, who, directory, name, answer);
}

function foundOr(fs: FileSystem, who: Credentials, directory: FileId, name: string, answer: FoldedUp | FsError): Maybe<Found> {
  if (!(answer instanceof FsError)) return answer;
  if (answer.code !== "noEntry") return whyNot(answer);
  // It may have been made as it is shown, by a client of another protocol.
  const shown = shownName(name);
  if (shown === name) return null;
  const raw = fs.lookupFolded(who, directory, shown);
  return raw instanceof Promise ? raw.then(foundOrNot) : foundOrNot(raw);
}

function foundOrNot(answer: FoldedUp | FsError): Found {
  if (!(answer instanceof FsError)) return answer;
  // What can't be a stored name is not there either.
  return answer.code === "noEntry" || answer.code === "nameTooLong" || answer.code === "invalid" ? null : whyNot(answer);
}

function whyNot(error: FsError): NtStatus {
  return error.code === "notDirectory" ? NtStatus.OBJECT_PATH_NOT_FOUND : ntStatusOf(error);
}
