import { Glob } from "bun";
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";

export const benchFolder = import.meta.dir;
export const projectRoot = join(benchFolder, "../..");
export const binFolder = join(benchFolder, "bin");

const warnings = ["-O2", "-Wall", "-Wextra"];

/** The C tools: what each is made from and how. */
const tools: readonly { readonly name: string; readonly source: string; readonly flags: readonly string[] }[] = [
  { name: "nfsload", source: "nfsload/nfsload.c", flags: ["-fms-extensions"] },
  { name: "smbload", source: "smbload/smbload.c", flags: ["-fms-extensions", "-lcrypto"] },
  { name: "nullprobe", source: "nullprobe.c", flags: [] },
  { name: "nullnfs", source: "nullnfs.c", flags: ["-pthread"] },
  { name: "delayproxy", source: "delayproxy.c", flags: [] },
  { name: "limits", source: "limits.c", flags: ["-pthread"] },
  { name: "norpcb.so", source: "norpcb.c", flags: ["-shared", "-fPIC"] },
];

async function modified(path: string): Promise<number> {
  return stat(path).then(
    (info) => info.mtimeMs,
    () => 0,
  );
}

/** Compiles what is older than its source. Throws with the compiler's words. */
export async function buildTools(): Promise<void> {
  await mkdir(binFolder, { recursive: true });
  let headers = 0;
  for await (const path of new Glob("**/*.h").scan(benchFolder)) headers = Math.max(headers, await modified(join(benchFolder, path)));
  for (const tool of tools) {
    const source = join(benchFolder, tool.source);
    const target = join(binFolder, tool.name);
    if ((await modified(target)) > Math.max(headers, await modified(source))) continue;
    const compiler = Bun.spawn(["gcc", ...warnings, "-o", target, source, ...tool.flags], { stdout: "pipe", stderr: "pipe" });
    const words = await new Response(compiler.stderr).text();
    if ((await compiler.exited) !== 0) throw new Error(`gcc could not build ${tool.name}:\n${words}`);
  }
}

export const tool = (name: string): string => join(binFolder, name);

/** Runs a command to its end; gives its standard output, or null if it failed or is not there. */
export async function outputOf(command: readonly string[]): Promise<string | null> {
  try {
    const child = Bun.spawn([...command], { stdout: "pipe", stderr: "ignore" });
    const text = await new Response(child.stdout).text();
    return (await child.exited) === 0 ? text : null;
  } catch {
    return null;
  }
}
