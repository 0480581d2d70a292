import type { Instance, Listening } from "./ports.ts";

/** `nfs: accepting on 0.0.0.0:12049`: the line scripts wait for; its form is part of the interface. */
export function acceptingLine(at: Listening): string {
  return `${at.protocol}: accepting on ${hostPort(at.address, at.port)}\n`;
}

function hostPort(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** The address a client on this machine uses to reach a listener. */
export function reachable(address: string): string {
  if (address === "0.0.0.0") return "127.0.0.1";
  return address === "::" ? "[::1]" : address.includes(":") ? `[${address}]` : address;
}

/** A word a shell takes as it is. */
function shellWord(word: string): string {
  return /^[A-Za-z0-9_./:@%+=,[\]-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** The line that mounts a share, for each kind of client. */
function mountLines(at: Listening, share: string): { readonly linux: string; readonly macos: string } {
  const source = shellWord(`${reachable(at.address)}:${share}`);
  const ports = `port=${at.port},mountport=${at.port}`;
  return {
    linux: `sudo mount -t nfs -o vers=3,proto=tcp,mountproto=tcp,${ports},nolock ${source} /mnt`,
    macos: `sudo mount -t nfs -o vers=3,tcp,${ports},nolocks ${source} /private/tmp/mnt`,
  };
}

/** How a share is looked into over SMB; `dittofs share mount-info` has the lines that mount it. */
function smbLine(at: Listening, share: string): string {
  return `smbclient -p ${at.port} -U USER ${shellWord(`//${reachable(at.address).replaceAll(/[[\]]/g, "")}/${share.slice(1)}`)}`;
}

/** What a person who just started a server wants to know. `command` is how this program was called. */
export function banner(instance: Instance, command: string, detached: boolean): string {
  const nfs = instance.listening.find((at) => at.protocol === "nfs");
  const smb = instance.listening.find((at) => at.protocol === "smb");
  const api = instance.listening.find((at) => at.protocol === "api");
  let out = "\n";
  for (const share of instance.shares) {
    out += `share ${share.name} (${share.metadata} metadata, ${share.blocks} blocks, durability ${share.durability}${share.readOnly ? ", read-only" : ""})\n`;
    if (nfs !== undefined) {
      const lines = mountLines(nfs, share.name);
      out += `  mount on Linux:  ${lines.linux}\n  mount on macOS:  ${lines.macos}\n`;
    }
    if (smb !== undefined && !share.name.slice(1).includes("/")) out += `  over SMB:        ${smbLine(smb, share.name)}\n`;
    out += `  open to:         ${openTo(share.allowedClients, instance)}\n`;
  }
  if (api !== undefined) {
    const url = `${api.tls === true ? "https" : "http"}://${reachable(api.address)}:${api.port}`;
    out += `\napi:   ${url} (documentation: ${url}/api/docs)\n`;
  }
  out += `\ndata:  ${instance.dataDirectory}\nconfig: ${instance.configFile ?? "none, defaults"}\n`;
  out += `stop:  ${detached ? "" : "Ctrl-C, or "}${shellWord(command)} stop --data-dir ${shellWord(instance.dataDirectory)}\n`;
  return out;
}

/** Who may connect, in words. */
export function openTo(allowed: readonly string[], instance: Instance): string {
  const own = instance.listening.map((at) => at.address);
  const others = allowed.filter((one) => one !== "::1" && !one.startsWith("127.") && !own.includes(one));
  if (others.length === 0) return "this machine only; let others in with --allow CIDR";
  return others.length === allowed.length ? others.join(", ") : `this machine, ${others.join(", ")}`;
}
