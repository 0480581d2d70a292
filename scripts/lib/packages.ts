import { existsSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { outputOf, run, say } from "./shell.ts";

/** Debian packages the tests use, with what for. */
const testPackages: Readonly<Record<string, string>> = {
  "ca-certificates": "downloads",
  "ceph-common": "programs that set the S3 server up",
  "ceph-mon": "the S3 server's cluster",
  "ceph-osd": "the S3 server's objects, in memory",
  fuse3: "the file system of the power-cut tests",
  gcc: "small programs of the tests",
  git: "a client's workload",
  iproute2: "network namespaces of the kernel client",
  "libc6-dev": "small programs of the tests",
  "libfuse3-dev": "the file system of the power-cut tests",
  "libnfs-utils": "an NFS client in user space",
  make: "a client's workload",
  "nfs-common": "showmount, and mount.nfs in the kernel client",
  openssl: "certificates of the tests' servers",
  "pkg-config": "small programs of the tests",
  postgresql: "a server of the tests' own, on loopback",
  prometheus: "promtool, which reads the alert rules and the queries of the dashboards",
  radosgw: "a real S3 server",
  python3: "the kernel client's relay",
  rpcbind: "rpcinfo",
  rsync: "a client's workload",
  "samba-testsuite": "smbtorture, the suite of Samba's authors",
  smbclient: "an SMB client in user space",
  sqlite3: "a client's workload",
  "user-mode-linux": "a real Linux kernel as a client",
};

const mark = "# Put here by DittoFS's scripts/test for the time of an installation; delete it if you find it.";

/** A file that is there for the time of an installation. */
interface Passing {
  readonly path: string;
  readonly text: string;
  readonly mode: string;
}

/** Debian's way to say that no service is to be started by an installation. */
const noServices: Passing = { path: "/usr/sbin/policy-rc.d", text: `#!/bin/sh\n${mark}\nexit 101\n`, mode: "755" };
/** postgresql-common's way to say that the server's installation is not to make a cluster "main" with it. */
const noCluster: Passing = { path: "/etc/postgresql-common/createcluster.d/dittofs-tests.conf", text: `${mark}\ncreate_main_cluster = false\n`, mode: "644" };

export interface Installed {
  /** Why something is missing that tests will skip for, or null. */
  readonly missing: string | null;
}

function isInstalled(name: string): boolean {
  return outputOf(["dpkg-query", "-W", "-f", "${db:Status-Status}", name]) === "installed";
}

function installedPackages(): ReadonlySet<string> {
  return new Set((outputOf(["dpkg-query", "-W", "-f", "${Package}\\n"]) ?? "").split("\n"));
}

/** Units of these packages that run, or would after the next boot. */
function services(packages: readonly string[]): readonly string[] {
  const files = packages.flatMap((name) => (outputOf(["dpkg-query", "-L", name]) ?? "").split("\n"));
  const units = files.flatMap((file) => /\/systemd\/system\/([^/@]+\.(?:service|socket))$/.exec(file)?.[1] ?? []);
  return units.filter((name) => outputOf(["systemctl", "is-active", name]) === "active" || outputOf(["systemctl", "is-enabled", name]) === "enabled");
}

/** Installs the packages the tests need and this machine lacks. What can't be had is said, and the tests that need it skip. */
export async function installTestPackages(): Promise<Installed> {
  if (outputOf(["dpkg-query", "--version"]) === null) return { missing: "this is no Debian; packages are not looked after" };
  const wanted = Object.keys(testPackages).filter((name) => !isInstalled(name));
  if (wanted.length === 0) {
    say("packages: all there");
    return { missing: null };
  }
  const asRoot = process.getuid?.() === 0 ? [] : ["sudo", "-n"];
  if (asRoot.length > 0 && outputOf([...asRoot, "true"]) === null) return { missing: `not root and no sudo without a password; missing: ${wanted.join(", ")}` };
  say(`packages: installing ${wanted.join(", ")}; no service of theirs is started`);
  const before = installedPackages();
  const status = await within(asRoot, noServices, () => within(asRoot, noCluster, () => install(asRoot, wanted)));
  const started = services([...installedPackages()].filter((name) => !before.has(name)));
  if (started.length > 0) {
    say(`packages: stopping and disabling ${started.join(", ")}`);
    await run([...asRoot, "systemctl", "disable", "--now", ...started]);
  }
  const missing = wanted.filter((name) => !isInstalled(name));
  if (missing.length > 0) return { missing: `apt-get ended with status ${status}; missing: ${missing.join(", ")}` };
  say(`packages: installed ${wanted.join(", ")}; no service of theirs was left running or enabled`);
  return { missing: null };
}

async function install(asRoot: readonly string[], names: readonly string[]): Promise<number> {
  const command = [...asRoot, "env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", "apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=120"];
  const arguments_ = ["install", "--no-install-recommends", ...names];
  if ((await run([...command, ...arguments_])) === 0) return 0;
  // The package lists are missing or old.
  await run([...command, "update"]);
  if ((await run([...command, ...arguments_])) === 0) return 0;
  // One that can't be had shouldn't keep the others away.
  let status = 0;
  for (const name of names) status = (await run([...command, "install", "--no-install-recommends", name])) || status;
  return status;
}

/** Puts the file there meanwhile, where the machine hasn't one of its own. */
async function within<T>(asRoot: readonly string[], { path, text, mode }: Passing, work: () => Promise<T>): Promise<T> {
  // One of ours may be left from a run that was killed.
  if (existsSync(path) && !readFileSync(path, "utf8").includes(mark)) return await work();
  const folder = dirname(path);
  const folderWas = existsSync(folder);
  await run([...asRoot, "sh", "-c", 'mkdir -p "$(dirname "$1")" && printf %s "$2" > "$1" && chmod "$3" "$1"', "sh", path, text, mode]);
  try {
    return await work();
  } finally {
    await run([...asRoot, "rm", "-f", path]);
    if (!folderWas) await run([...asRoot, "sh", "-c", 'rmdir "$1" 2>/dev/null; true', "sh", folder]);
  }
}
