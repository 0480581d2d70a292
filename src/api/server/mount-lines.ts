import type { Static } from "@sinclair/typebox";
import type { MountInfo } from "#api/contract/schemas.ts";

/** Ports below it are what clients look for by themselves. */
const nfsPort = 2049;

/** The lines that mount a share over NFS from each kind of client. Windows asks the portmapper and takes no port. */
export function nfsLines(host: string, port: number, share: string): NonNullable<Static<typeof MountInfo>["nfs"]> {
  const source = quoted(`${host}:${share}`);
  const ports = `port=${port},mountport=${port}`;
  const path = `\\\\${host}${share.replaceAll("/", "\\")}`;
  const windows = windowsLine(path);
  return {
    linux: `sudo mount -t nfs -o vers=3,proto=tcp,mountproto=tcp,${ports},nolock ${source} /mnt`,
    macos: `sudo mount -t nfs -o vers=3,tcp,${ports},nolocks ${source} /private/tmp/mnt`,
    windows: port === nfsPort || windows === unsayable ? windows : `${windows}   (needs the server's port to be ${nfsPort} and its portmapper: Windows can't be told a port)`,
  };
}

const unsayable = "(no command line of Windows can hold this share's name)";

/** Nothing keeps its command interpreter from ending a word at a quote, or from looking up what stands between percent signs. */
function windowsLine(path: string): string {
  if (/["%]/.test(path)) return unsayable;
  return `mount -o anon,nolock ${/[^\w.:\\-]/.test(path) ? `"${path}"` : path} Z:`;
}

/** As a POSIX shell takes it for one word. */
function quoted(word: string): string {
  return /^[A-Za-z0-9_/.:@%+=,[\]-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
