import fs from "node:fs";
import { systemFiles, type Done, type FileOps } from "#cache/log/index.ts";
import type { Lottery } from "./lottery.ts";

const sectorBytes = 512;

interface Piece {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** A file apart from its names: what a power cut leaves of it for certain, and what it may leave. */
class Body {
  synced = new Uint8Array(0);
  pending: Piece[] = [];
}

type NameChange = { readonly from: string | null; readonly to: string | null; readonly body: Body };

/**
 * A disk that can lose its power: passes everything on to real files, and knows which bytes and names were synced. What was not
 * may be lost, kept, or torn at sectors, in any combination.
 */
export class CrashDisk {
  /** Names and content that survive for certain. */
  readonly #names = new Map<string, Body>();
  #changes: NameChange[] = [];
  readonly #live = new Map<string, Body>();
  /** Syncs under way: the test says when they end. */
  #ends: (() => void)[] = [];
  roomBytes = Infinity;

  constructor(survived: ReadonlyMap<string, Uint8Array>) {
    for (const [name, bytes] of survived) {
      const body = new Body();
      body.synced = bytes.slice();
      this.#names.set(name, body);
      this.#live.set(name, body);
    }
  }

  /** The file operations of one process; `kill` ends it: what it wrote stays with the kernel, synced or not. */
  process(): { readonly files: FileOps; kill(): void } {
    const open = new Map<number, Body | "directory">();
    let alive = true;
    const files = this.#operations(open, () => {
      if (!alive) throw new Error("the process is dead");
    });
    const kill = () => {
      alive = false;
      this.#ends = [];
      for (const fd of open.keys()) systemFiles.closeSync(fd);
      open.clear();
    };
    return { files, kill };
  }

  /** Ends the oldest sync under way. */
  endSync(): boolean {
    const end = this.#ends.shift();
    end?.();
    return end !== undefined;
  }

  /** What is found after the power failed now. */
  crash(lottery: Lottery): Map<string, Uint8Array> {
    const names = new Map(this.#names);
    const mode = lottery.below(4);
    for (const change of this.#changes) if (keeps(lottery, mode)) rename(names, change);
    const found = new Map<string, Uint8Array>();
    for (const [name, body] of names) {
      let bytes = body.synced.slice();
      const fate = lottery.below(4);
      for (const piece of body.pending) {
        for (let at = 0; at < piece.bytes.byteLength; ) {
          const take = Math.min(sectorBytes - ((piece.offset + at) % sectorBytes), piece.bytes.byteLength - at);
          if (keeps(lottery, fate)) bytes = put(bytes, piece.offset + at, piece.bytes.subarray(at, at + take));
          at += take;
        }
      }
      found.set(name, bytes);
    }
    return found;
  }

  #operations(open: Map<number, Body | "directory">, living: () => void): FileOps {
    const bodyOf = (fd: number): Body => {
      const body = open.get(fd);
      if (body === undefined || body === "directory") throw new Error(`descriptor ${fd} is no open file`);
      return body;
    };
    const written = (fd: number, offset: number, bytes: Uint8Array) => bodyOf(fd).pending.push({ offset, bytes: bytes.slice() });
    return {
      openSync: (path, flags) => {
        living();
        const fd = systemFiles.openSync(path, flags);
        const name = path.slice(path.lastIndexOf("/") + 1);
        if (flags === "r") {
          open.set(fd, "directory");
        } else if (flags === "wx+") {
          const body = new Body();
          this.#live.set(name, body);
          this.#changes.push({ from: null, to: name, body });
          open.set(fd, body);
        } else {
          open.set(fd, this.#live.get(name)!);
        }
        return fd;
      },
      closeSync: (fd) => {
        if (!open.delete(fd)) return; // closed by kill
        systemFiles.closeSync(fd);
      },
      writeSync: (fd, bytes, offset, length, position) => {
        living();
        const wrote = systemFiles.writeSync(fd, bytes, offset, length, position);
        written(fd, position, bytes.subarray(offset, offset + wrote));
        return wrote;
      },
      writevSync: (fd, slices, position) => {
        living();
        const wrote = systemFiles.writevSync(fd, slices, position);
        for (let i = 0, at = position; i < slices.length; at += slices[i++]!.byteLength) written(fd, at, slices[i]!);
        return wrote;
      },
      writev: (fd, slices, position, done) => systemFiles.writev(fd, slices, position, done),
      allocateSync: (fd, bytes) => {
        living();
        if (this.roomBytes < bytes) throw Object.assign(new Error("full"), { code: "ENOSPC" });
        this.roomBytes -= bytes;
        systemFiles.allocateSync(fd, bytes);
        written(fd, 0, new Uint8Array(bytes));
      },
      startWriteBack: () => {},
      dropCleanPages: () => {},
      freeBytesSync: () => this.roomBytes,
      renameSync: (from, to) => {
        living();
        systemFiles.renameSync(from, to);
        const [old, name] = [from, to].map((path) => path.slice(path.lastIndexOf("/") + 1)) as [string, string];
        const body = this.#live.get(old)!;
        this.#live.delete(old);
        this.#live.set(name, body);
        this.#changes.push({ from: old, to: name, body });
      },
      unlink: (path, done) => {
        const name = path.slice(path.lastIndexOf("/") + 1);
        const body = this.#live.get(name)!;
        living();
        this.#live.delete(name);
        this.#changes.push({ from: name, to: null, body });
        this.roomBytes += 32768;
        fs.unlinkSync(path);
        queueMicrotask(() => done(null));
      },
      fdatasync: (fd, done) => {
        living();
        const body = bodyOf(fd);
        const covered = body.pending.slice();
        this.#later(done, () => {
          for (const piece of covered) body.synced = put(body.synced, piece.offset, piece.bytes);
          body.pending = body.pending.filter((piece) => !covered.includes(piece));
        });
      },
      fsync: (_fd, done) => {
        living();
        const covered = this.#changes.slice();
        this.#later(done, () => {
          for (const change of covered) rename(this.#names, change);
          this.#changes = this.#changes.filter((change) => !covered.includes(change));
        });
      },
    };
  }

  #later(done: Done, effect: () => void): void {
    this.#ends.push(() => {
      effect();
      done(null);
    });
  }
}

/** Fates of what was not synced: all lost, all kept, or each by chance. */
function keeps(lottery: Lottery, mode: number): boolean {
  return mode === 0 ? false : mode === 1 ? true : lottery.below(mode === 2 ? 2 : 5) > 0;
}

function rename(names: Map<string, Body>, change: NameChange): void {
  if (change.from !== null && names.get(change.from) === change.body) names.delete(change.from);
  if (change.to !== null) names.set(change.to, change.body);
}

function put(into: Uint8Array<ArrayBuffer>, offset: number, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  let target = into;
  if (offset + bytes.byteLength > target.byteLength) {
    target = new Uint8Array(offset + bytes.byteLength);
    target.set(into, 0);
  }
  target.set(bytes, offset);
  return target;
}
