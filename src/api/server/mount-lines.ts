import type { Static } from "@sinclair/typebox";
import type { MountInfo } from "#api/contract/schemas.ts";

/** What clients look for by themselves. */
const nfsPort = 2049;
const smbPort = 445;

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

/** The lines that mount a share over SMB for `user`. Each asks for the password. */
export function smbLines(host: string, port: number, share: string, user: string): NonNullable<Static<typeof MountInfo>["smb"]> {
  const name = share.slice(1);
  const bare = host.replaceAll(/[[\]]/g, "");
  const url = `//${encodeURIComponent(user)}@${host}${port === smbPort ? "" : `:${port}`}/${encodeURIComponent(name)}`;
  const ports = port === smbPort ? "" : `port=${port},`;
  return {
    linux: `sudo mount -t cifs -o ${ports}${quoted(`username=${user}`)},vers=3.1.1 ${quoted(`//${bare}/${name}`)} /mnt`,
    macos: `mkdir -p /private/tmp/mnt && mount_smbfs ${quoted(url)} /private/tmp/mnt`,
    windows: windowsSmbLine(bare, port, name, user),
    smbclient: `smbclient -p ${port} -U ${quoted(user)} ${quoted(`//${bare}/${name}`)}`,
  };
}

/** An IPv6 address as Windows takes one in a path: as a name, its colons dashes. */
function windowsSmbLine(host: string, port: number, name: string, user: string): string {
  const machine = host.includes(":") ? `${host.replaceAll(":", "-").replace("%", "s")}.ipv6-literal.net` : host;
  const path = `\\\\${machine}\\${name}`;
  if (/["%/]/.test(path + user)) return unsayable;
  const source = /[^\w.:\\-]/.test(path) ? `"${path}"` : path;
  const at = port === smbPort ? "" : ` /TCPPORT:${port}`;
  return `net use Z: ${source} /user:${/\W/.test(user) ? `"${user}"` : user}${at}${at === "" ? "" : `   (before Windows 11 24H2 it takes no port: the server's has to be ${smbPort})`}`;
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
