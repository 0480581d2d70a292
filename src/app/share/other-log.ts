import { closeSync, existsSync, openSync, readdirSync, readSync } from "node:fs";
import { join } from "node:path";
import { decodeHeader, headerBytes } from "#cache/log/format.ts";

/** The instance of another share than this one whose log lies in a directory, in hexadecimal; null: none does. */
export function otherLogIn(directory: string, instance: string): string | null {
  if (!existsSync(directory)) return null;
  for (const name of readdirSync(directory)) {
    const found = name.endsWith(".log") ? instanceIn(join(directory, name)) : null;
    if (found !== null && found !== instance) return found;
  }
  return null;
}

function instanceIn(path: string): string | null {
  const fd = openSync(path, "r");
  try {
    const bytes = new Uint8Array(headerBytes);
    const header = decodeHeader(bytes.subarray(0, readSync(fd, bytes, 0, headerBytes, 0)), path);
    return header === null ? null : Buffer.from(header.instance).toString("hex");
  } finally {
    closeSync(fd);
  }
}
