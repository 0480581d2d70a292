import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { freePort, freshFolder, launch, type Server } from "./servers.ts";
import { outputOf } from "./tools.ts";

/**
 * Debian's Samba as it comes, private: nothing outside `base`, no name service, one share for root. The exported directory gets
 * ext4's "top of directory hierarchies" attribute, as Ganesha's does.
 */
export async function startSamba(base: string, password: string): Promise<Server> {
  const folder = await freshFolder(base, "samba");
  for (const name of ["export", "state", "lock", "cache", "private", "run/ncalrpc", "logs"]) await mkdir(join(folder, name), { recursive: true });
  await outputOf(["chattr", "+T", join(folder, "export")]);
  const port = freePort();
  const configuration = join(folder, "smb.conf");
  await Bun.write(configuration, configurationOf(folder, port));
  const adding = Bun.spawn(["smbpasswd", "-c", configuration, "-s", "-a", "root"], { stdin: Buffer.from(`${password}\n${password}\n`), stdout: "ignore", stderr: "pipe" });
  const complaints = await new Response(adding.stderr).text();
  if ((await adding.exited) !== 0) throw new Error(`smbpasswd: ${complaints}`);
  return launch({ name: "samba", command: ["smbd", "-F", "-s", configuration], folder, port, mountPort: port, export: "/export", smbPort: port });
}

function configurationOf(folder: string, port: number): string {
  const at = (name: string): string => join(folder, name);
  return `[global]
  server role = standalone server
  netbios name = BENCH
  bind interfaces only = yes
  interfaces = 127.0.0.1
  smb ports = ${port}
  disable netbios = yes
  state directory = ${at("state")}
  lock directory = ${at("lock")}
  cache directory = ${at("cache")}
  private dir = ${at("private")}
  pid directory = ${at("run")}
  ncalrpc dir = ${at("run/ncalrpc")}
  log file = ${at("logs")}/log.%m
  passdb backend = smbpasswd:${at("private/smbpasswd")}
  map to guest = never
  load printers = no
  printing = bsd
  printcap name = /dev/null
  disable spoolss = yes
[export]
  path = ${at("export")}
  read only = no
  force user = root
`;
}
