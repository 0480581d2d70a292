import { afterAll, expect, test } from "bun:test";
import fs from "node:fs";
import { join } from "node:path";
import { readFromDisk } from "#base/kernel-pages.ts";
import { temporary } from "../../support/temporary.ts";

/** A real kernel over a disk that refuses what is written to it: an ext4 in a file of a file system in memory that has no room for it. */

const mebi = 1 << 20;
const diskBytes = 64 * mebi;
const room = "12m";
const fileBytes = 24 * mebi;
const pageBytes = 4096;

/** Runs a command; null, or why it failed. */
function failed(...command: string[]): string | null {
  try {
    const { exitCode, stderr } = Bun.spawnSync(command);
    return exitCode === 0 ? null : `${command.join(" ")}: ${stderr.toString().trim()}`;
  } catch (error) {
    return (error as Error).message;
  }
}

const mounted: string[] = [];
afterAll(() => {
  for (const path of mounted.reverse()) failed("umount", path);
});

/** A directory on such a disk, or why there is none here. */
function failingDisk(): { readonly path: string } | { readonly why: string } {
  const below = join(temporary("failing-disk"), "below");
  const path = join(temporary("failing-disk"), "disk");
  const image = join(below, "image");
  const steps: (() => string | null)[] = [
    () => (process.getuid?.() === 0 ? null : "it needs root"),
    () => failed("mount", "-t", "tmpfs", "-o", `size=${room}`, "tmpfs", below) ?? (mounted.push(below), null),
    () => failed("truncate", "-s", String(diskBytes), image),
    // Without a journal, whose failure would end the file system.
    () => failed("mkfs.ext4", "-q", "-F", "-O", "^has_journal", image),
    () => failed("mount", "-o", "loop", image, path) ?? (mounted.push(path), null),
  ];
  for (const directory of [below, path]) fs.mkdirSync(directory);
  for (const step of steps) {
    const why = step();
    if (why !== null) return { why };
  }
  return { path };
}

const disk = failingDisk();
if ("why" in disk) console.log(`failing disk: skipped, ${disk.why}`);

function wrongPages(path: string): number {
  const bytes = fs.readFileSync(path);
  let wrong = 0;
  for (let at = 0; at < fileBytes; at += pageBytes) if (bytes[at] !== 7) wrong++;
  return wrong;
}

// Skips where no such disk can be made; the reason is printed.
test.skipIf("why" in disk)("after a failed sync syncs succeed and reads give what is not on the disk, until the file is read from it", () => {
  const path = join((disk as { readonly path: string }).path, "file");
  const fd = fs.openSync(path, "w");
  fs.writeSync(fd, new Uint8Array(fileBytes).fill(7), 0, fileBytes, 0);
  expect(() => fs.fdatasyncSync(fd)).toThrow();
  fs.closeSync(fd);
  const again = fs.openSync(path, "r+");
  try {
    // What the kernel has to say of blocks it allocated comes once more.
    fs.fdatasyncSync(again);
  } catch {}
  fs.fdatasyncSync(again);
  fs.closeSync(again);
  expect(wrongPages(path)).toBe(0);
  readFromDisk(path);
  expect(wrongPages(path)).toBeGreaterThan(0);
});
