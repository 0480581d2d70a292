import { closeSync, constants, fstatSync, ftruncateSync, openSync, rmSync, writeSync } from "node:fs";
import type { Clock } from "#base/clock.ts";
import type { ChangeSet } from "#model/change-set.ts";
import type { Logger } from "#telemetry/logger.ts";

/** Between two attempts to get the reserve back. */
const retryMs = 500;
const zeros = new Uint8Array(1 << 16);

/** Makes a file at least so long, with zeros that take up room. Throws where there is none; the file is then as it was. */
export function extendWithZeros(fd: number, length: number): void {
  const before = fstatSync(fd).size;
  try {
    for (let at = before; at < length; ) at += writeSync(fd, zeros, 0, Math.min(zeros.length, length - at), at);
  } catch (error) {
    if (before < length) ftruncateSync(fd, before);
    throw error;
  }
}

/** Whether a set makes the database larger: names, inodes or extended attributes come, and no name goes. */
function grows(set: ChangeSet): boolean {
  let came = false;
  for (const change of set.changes) {
    if (change.do === "deleteDirent") return false;
    if (change.do === "insertInode" || change.do === "insertDirent" || (change.do === "setXattr" && change.value !== null)) came = true;
  }
  return came;
}

/**
 * A file that keeps room on the disk for what must not fail when it is full: removals, flushes, and taking the WAL into the
 * database. It is given up when room runs out; from then on sets that make the database larger are refused, until it could
 * be filled again or the database has that much room inside.
 */
export class SpaceReserve {
  private readonly path: string;
  private readonly bytes: number;
  private readonly freePages: () => number;
  private readonly pagesEnough: number;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly fd: number;
  private held = false;
  private roomInside = false;
  private triedAtMs = Number.NEGATIVE_INFINITY;

  constructor(parts: {
    path: string;
    bytes: number;
    /** Unused pages within the database. */
    freePages: () => number;
    /** As many of them as make up for the reserve. */
    pagesEnough: number;
    clock: Clock;
    logger: Logger;
  }) {
    this.path = parts.path;
    this.bytes = parts.bytes;
    this.freePages = parts.freePages;
    this.pagesEnough = parts.pagesEnough;
    this.clock = parts.clock;
    this.logger = parts.logger;
    this.fd = openSync(this.path, constants.O_RDWR | constants.O_CREAT, 0o600);
    this.check();
  }

  /** Gives the reserved room to whoever is short of it now; false where it was given already. */
  release(): boolean {
    this.roomInside = false;
    if (!this.held) return false;
    this.held = false;
    this.triedAtMs = this.clock.monotonicMs();
    ftruncateSync(this.fd, 0);
    this.logger.warn({ path: this.path }, "no room for metadata: only removals and changes in place are accepted");
    return true;
  }

  /** Whether a set may be applied as far as room goes. */
  admits(set: ChangeSet): boolean {
    if (this.held || !grows(set)) return true;
    if (this.clock.monotonicMs() - this.triedAtMs >= retryMs) this.check();
    return this.held || this.roomInside;
  }

  private check(): void {
    this.triedAtMs = this.clock.monotonicMs();
    try {
      extendWithZeros(this.fd, this.bytes);
      this.held = true;
      this.logger.debug({ path: this.path }, "room for metadata is reserved");
    } catch {
      this.roomInside = this.freePages() >= this.pagesEnough;
    }
  }

  close(): void {
    closeSync(this.fd);
    rmSync(this.path, { force: true });
  }
}
