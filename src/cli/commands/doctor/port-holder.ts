import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** State of a listening TCP socket, and of an unconnected UDP one, in /proc/net. */
const listening = "0A";
const unconnected = "07";

/** The program that listens on a port, as `nginx (pid 17)`; null where the system doesn't say, or not to this user. Linux alone. */
export function whoHas(port: number): string | null {
  const inodes = new Set([...socketsOn(port, "tcp", listening), ...socketsOn(port, "tcp6", listening), ...socketsOn(port, "udp", unconnected), ...socketsOn(port, "udp6", unconnected)]);
  if (inodes.size === 0) return null;
  for (const pid of entries("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    for (const fd of entries(`/proc/${pid}/fd`)) {
      const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`))?.[1];
      if (inode !== undefined && inodes.has(inode)) return `${textOf(`/proc/${pid}/comm`).trim()} (pid ${pid})`;
    }
  }
  return null;
}

/** Inodes of the sockets with this local port. */
function socketsOn(port: number, table: string, state: string): readonly string[] {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return textOf(`/proc/net/${table}`)
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(wanted) === true && fields[3] === state)
    .flatMap((fields) => fields[9] ?? []);
}

function entries(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
