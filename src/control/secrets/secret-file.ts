import { closeSync, constants, fstatSync, fsyncSync, linkSync, openSync, readSync, renameSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Random } from "#base/random.ts";
import { DatabaseError } from "../database/port.ts";
import { toText } from "./seal.ts";

/** The secret in the data directory, and the one it is being changed to. Each step is durable when its call returns. */
export interface SecretFiles {
  readonly path: string;
  readonly nextPath: string;
  /** Null where there is none. Throws for one that others can read. */
  current(): string | null;
  next(): string | null;
  /** Makes the first one; gives the one that is there, should somebody else have made it meanwhile. */
  create(secret: string): string;
  /** Puts the secret that is changed to beside the current one; false where there is one already. */
  prepare(secret: string): boolean;
  /** The next one takes the place of the current one. */
  promote(): void;
}

const fileBytesMax = 4096;

/**
 * `controlplane.secret` and, while it is being changed, `controlplane.secret.next`, one line each. A file comes into being under its
 * name with all its content, by a link: after a power cut it is there whole or not at all.
 */
export class SecretDirectory implements SecretFiles {
  readonly path: string;
  readonly nextPath: string;
  private readonly directory: string;
  private readonly random: Random;

  constructor(directory: string, random: Random) {
    this.directory = directory;
    this.path = join(directory, "controlplane.secret");
    this.nextPath = `${this.path}.next`;
    this.random = random;
  }

  current(): string | null {
    return readPrivate(this.path);
  }

  next(): string | null {
    return readPrivate(this.nextPath);
  }

  create(secret: string): string {
    if (this.appear(this.path, secret)) return secret;
    const other = this.current();
    if (other === null) throw new DatabaseError(`${this.path} was made and taken away by somebody else at this moment; start again`);
    return other;
  }

  prepare(secret: string): boolean {
    return this.appear(this.nextPath, secret);
  }

  promote(): void {
    renameSync(this.nextPath, this.path);
    syncDirectory(this.directory);
  }

  /** False where something of that name is there. */
  private appear(path: string, secret: string): boolean {
    const temporary = `${path}.${toText(this.random.bytes(9))}.new`;
    const fd = openSync(temporary, "wx", 0o600);
    try {
      writeSync(fd, `${secret}\n`);
      fsyncSync(fd);
      linkSync(temporary, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
      throw error;
    } finally {
      closeSync(fd);
      rmSync(temporary, { force: true });
    }
    syncDirectory(this.directory);
    return true;
  }
}

function readPrivate(path: string): string | null {
  const fd = openIfThere(path);
  if (fd === null) return null;
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new DatabaseError(`${path} is no file; the control-plane secret is one line of text in a file of mode 0600`);
    if ((stat.mode & 0o077) !== 0) {
      const mode = (stat.mode & 0o777).toString(8).padStart(4, "0");
      throw new DatabaseError(`${path} has mode ${mode}: others than its owner can get at the control-plane secret. Run: chmod 600 '${path}'. If others may have read it, change it afterwards with: dittofs settings rotate-secret`);
    }
    if (stat.size > fileBytesMax) throw new DatabaseError(`${path} has ${stat.size} bytes; a control-plane secret has ${fileBytesMax} at most. Restore the file that belongs to the database`);
    const bytes = new Uint8Array(fileBytesMax);
    return new TextDecoder().decode(bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, 0))).trim();
  } finally {
    closeSync(fd);
  }
}

function openIfThere(path: string): number | null {
  try {
    // A pipe put there must not hold up the start.
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

function syncDirectory(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
