import fs from "node:fs";
import { dirname, join } from "node:path";
import { type FileOps, systemFiles } from "#cache/log/index.ts";
import type { SeededRandom } from "../../support/seeded-random.ts";
import { copyOf } from "./content-kit.ts";

const pageBytes = 4096;

/** What a range of a file was before it was written, and whether the file was made. */
interface Undo {
  readonly offset: number;
  readonly old: Uint8Array;
}
class Body {
  unsynced: Undo[] = [];
  /** Pages that a sync gave up: the kernel has them in memory and takes them for written. What the disk has of them. */
  readonly givenUp = new Map<number, Uint8Array>();
}
/** Of syncs that have something to do, on a disk that fails. */
const failing = 0.1;
interface NameChange {
  readonly from: string | null;
  readonly to: string | null;
  /** What lost its name. */
  readonly replaced: Uint8Array | null;
}

/**
 * The disk below everything that uses `systemFiles`, for one life of a process: real files, and what of their bytes and names was not synced. A power
 * cut takes any pages of the former, and the latter from some moment on. A sync that fails leaves its pages in the kernel's memory, clean: no later sync
 * writes them, reads give them, until they are dropped or the power fails. What is done after the end of the life is not done.
 */
export class PowerDisk {
  readonly directory: string;
  private readonly random: SeededRandom;
  private readonly fails: boolean;
  /** No room for segments of the log. */
  private readonly isFull: boolean;
  private readonly bodies: Map<string, Body>;
  private names: NameChange[];
  private readonly open = new Map<number, Body | string>();
  private left: number;
  /** A sync of this life failed. */
  failed = false;
  private readonly ends = Promise.withResolvers<void>();
  ended = false;
  /** Resolves when the life ends. */
  readonly end: Promise<void> = this.ends.promise;

  /** `steps`: syncs, and whatever else counts, until the life ends. */
  constructor(directory: string, random: SeededRandom, steps: number, fails: boolean, bodies = new Map<string, Body>(), names: NameChange[] = []) {
    this.directory = directory;
    this.fails = fails;
    this.random = random;
    this.isFull = random.chance(0.1);
    this.left = steps;
    this.bodies = bodies;
    this.names = names;
  }

  /** One of the steps; false where it is never done. */
  step(): boolean {
    if (--this.left <= 0) this.kill();
    return !this.ended;
  }

  /** The life ends after so many from now on. */
  lasts(steps: number): void {
    this.left = steps;
  }

  kill(): void {
    this.ended = true;
    this.ends.resolve();
  }

  /** A file was removed by somebody who goes past this. */
  removed(path: string, bytes: Uint8Array): void {
    if (!this.ended) this.names.push({ from: this.relative(path), to: null, replaced: bytes });
  }

  /** The next life's disk: after a kill with all that the kernel had, after a power cut with what the disk made of it. */
  next(powerCut: boolean, steps: number): PowerDisk {
    const copy = copyOf(this.directory);
    if (!powerCut) return new PowerDisk(copy, this.random, steps, this.fails, this.bodies, this.names);
    for (const [path, body] of this.bodies) this.lose(join(copy, path), body);
    for (let kept = this.random.below(this.names.length + 1); this.names.length > kept; ) this.unname(copy, this.names.pop() as NameChange);
    return new PowerDisk(copy, this.random, steps, this.fails);
  }

  /** A sync that begins now fails: of what it covers some has come to the disk, and of the rest nobody knows any more that it has not. */
  private giveUp(fd: number, body: Body): void {
    const pages = new Map<number, Uint8Array>();
    for (const { offset, old } of body.unsynced.toReversed()) {
      for (const page of pagesOf(offset, old.length)) if (!pages.has(page)) pages.set(page, pageAt(fd, page));
      for (let at = 0; at < old.length; ) {
        const page = pages.get(Math.floor((offset + at) / pageBytes)) as Uint8Array;
        const from = (offset + at) % pageBytes;
        const take = Math.min(pageBytes - from, old.length - at);
        page.set(old.subarray(at, at + take), from);
        at += take;
      }
    }
    for (const [page, bytes] of pages) if (!body.givenUp.has(page) && this.random.chance(0.7)) body.givenUp.set(page, bytes);
    body.unsynced = [];
    this.failed = true;
  }

  /** Reads give what the disk has, but of pages that were written since. */
  private drop(fd: number, { unsynced, givenUp }: Body): void {
    const dirty = new Set(unsynced.flatMap(({ offset, old }) => pagesOf(offset, old.length)));
    for (const [page, bytes] of givenUp) {
      if (dirty.has(page)) continue;
      fs.writeSync(fd, bytes, 0, bytes.length, page * pageBytes);
      givenUp.delete(page);
    }
  }

  private lose(path: string, { unsynced, givenUp }: Body): void {
    if (unsynced.length + givenUp.size === 0 || !fs.existsSync(path)) return;
    const lost = new Map<number, boolean>();
    // All of it, none, some pages, or some of what was written at a time.
    const mode = this.random.below(4);
    const isLost = (page: number): boolean => {
      const known = lost.get(page) ?? (mode === 0 || (mode !== 1 && this.random.chance(0.5)));
      lost.set(page, known);
      return known;
    };
    const fd = fs.openSync(path, "r+");
    for (const { offset, old } of unsynced.toReversed()) {
      const whole = mode === 3 && this.random.chance(0.5);
      for (let at = 0; at < old.length; ) {
        const take = Math.min(pageBytes - ((offset + at) % pageBytes), old.length - at);
        if (mode === 3 ? whole : isLost(Math.floor((offset + at) / pageBytes))) fs.writeSync(fd, old, at, take, offset + at);
        at += take;
      }
    }
    for (const [page, bytes] of givenUp) fs.writeSync(fd, bytes, 0, bytes.length, page * pageBytes);
    fs.closeSync(fd);
  }

  private unname(root: string, { from, to, replaced }: NameChange): void {
    if (from !== null && to !== null) fs.renameSync(join(root, to), join(root, from));
    else if (to !== null) fs.rmSync(join(root, to));
    const back = to === null ? from : to;
    if (replaced !== null && back !== null) fs.writeFileSync(join(root, back), replaced);
  }

  /** Puts this below everything; gives what takes it away. */
  install(): () => void {
    const real = { ...systemFiles };
    Object.assign(systemFiles, this.operations(real));
    return () => void Object.assign(systemFiles, real);
  }

  private relative(path: string): string {
    return path.startsWith(`${this.directory}/`) ? path.slice(this.directory.length + 1) : "";
  }

  /** Whether a file of this life may be written; false: it has ended. Others' are not counted. */
  private note(fd: number, offset: number, length: number): boolean {
    const body = this.open.get(fd);
    if (!(body instanceof Body)) return true;
    if (this.ended) return false;
    const old = new Uint8Array(length);
    fs.readSync(fd, old, 0, length, offset);
    body.unsynced.push({ offset, old });
    return true;
  }

  private named(from: string | null, to: string | null): void {
    const path = join(this.directory, (to ?? from) as string);
    const replaced = from !== null && fs.existsSync(path) ? new Uint8Array(fs.readFileSync(path)) : null;
    this.names.push({ from, to, replaced });
    if (from === null) return;
    const body = this.bodies.get(from);
    this.bodies.delete(from);
    if (to !== null && body !== undefined) this.bodies.set(to, body);
  }

  private operations(real: FileOps): Partial<FileOps> {
    const later = (run: () => void): void => void setImmediate(() => (this.ended ? undefined : run()));
    return {
      openSync: (path, flags) => {
        const name = this.relative(path);
        const fd = real.openSync(path, flags === "wx" ? "wx+" : flags);
        this.open.delete(fd);
        if ((path === this.directory || name !== "") && !this.ended) {
          if (flags.startsWith("w")) {
            this.named(null, name);
            this.bodies.set(name, new Body());
          }
          const body = this.bodies.get(name) ?? new Body();
          if (flags !== "r") this.bodies.set(name, body);
          this.open.set(fd, flags === "r" ? name : body);
        }
        return fd;
      },
      closeSync: (fd) => {
        this.open.delete(fd);
        real.closeSync(fd);
      },
      writeSync: (fd, bytes, offset, length, position) => (this.note(fd, position, length) ? real.writeSync(fd, bytes, offset, length, position) : length),
      writevSync: (fd, slices, position) => {
        const length = slices.reduce((sum, slice) => sum + slice.byteLength, 0);
        // At times the kernel is not prompt: the thread pool does it then.
        if (this.open.has(fd) && !this.ended && this.random.chance(0.3)) return 0;
        return this.note(fd, position, length) ? real.writevSync(fd, slices, position) : length;
      },
      writev: (fd, slices, position, done) => {
        if (!this.open.has(fd)) return real.writev(fd, slices, position, done);
        const all = Buffer.concat(slices as Uint8Array[]);
        const some = this.random.chance(0.3) ? this.random.between(1, all.length) : all.length;
        const go = (turns: number): void => {
          if (turns > 0) return later(() => go(turns - 1));
          if (this.note(fd, position, some)) done(null, real.writeSync(fd, all, 0, some, position));
        };
        later(() => go(this.random.below(60)));
      },
      renameSync: (from, to) => {
        if (this.relative(from) !== "" && this.ended) return;
        if (this.relative(from) !== "") this.named(this.relative(from), this.relative(to));
        real.renameSync(from, to);
      },
      unlink: (path, done) => {
        if (this.relative(path) === "") return real.unlink(path, done);
        if (this.ended) return;
        this.named(this.relative(path), null);
        fs.unlinkSync(path);
        later(() => done(null));
      },
      fdatasync: (fd, done) => {
        const body = this.open.get(fd);
        if (!(body instanceof Body)) return real.fdatasync(fd, done);
        const covered = new Set(body.unsynced);
        if (!this.step()) return;
        if (this.fails && covered.size > 0 && this.random.chance(failing)) {
          this.giveUp(fd, body);
          return later(() => done(Object.assign(new Error("EIO: i/o error, fdatasync"), { code: "EIO" })));
        }
        later(() => {
          body.unsynced = body.unsynced.filter((undo) => !covered.has(undo));
          // Of a page that was written again all goes to the disk.
          for (const { offset, old } of covered) for (const page of pagesOf(offset, old.length)) body.givenUp.delete(page);
          done(null);
        });
      },
      fsync: (fd, done) => {
        const name = this.open.get(fd);
        if (typeof name !== "string") return real.fsync(fd, done);
        if (!this.step()) return;
        const covered = new Set(this.names.filter(({ from, to }) => [from, to].some((path) => path !== null && dirname(path) === (name === "" ? "." : name))));
        // The file system's own journal keeps the order: what came before goes along.
        const last = this.names.findLastIndex((change) => covered.has(change));
        const durable = new Set(this.names.slice(0, last + 1));
        later(() => {
          this.names = this.names.filter((change) => !durable.has(change));
          done(null);
        });
      },
      startWriteBack: () => {},
      dropCleanPages: (fd) => {
        const body = this.open.get(fd);
        if (body instanceof Body && !this.ended) this.drop(fd, body);
      },
      allocateSync: (fd, bytes) => {
        if (this.isFull) throw Object.assign(new Error("no room for a segment"), { code: "ENOSPC" });
        real.allocateSync(fd, bytes);
      },
    };
  }
}

function pagesOf(offset: number, length: number): number[] {
  const first = Math.floor(offset / pageBytes);
  return Array.from({ length: Math.ceil((offset + length) / pageBytes) - first }, (_, i) => first + i);
}

/** A page as the kernel has it; zeros behind the end of the file. */
function pageAt(fd: number, page: number): Uint8Array {
  const bytes = new Uint8Array(pageBytes);
  fs.readSync(fd, bytes, 0, pageBytes, page * pageBytes);
  return bytes;
}
