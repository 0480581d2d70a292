import { readFile } from "node:fs/promises";
import { cpus, release, totalmem } from "node:os";
import { outputOf } from "./tools.ts";

/** What a reader must know of the machine to make sense of the figures. */
export async function describeMachine(dataFolder: string): Promise<readonly string[]> {
  const processors = cpus();
  const system = /^PRETTY_NAME="(.*)"$/m.exec(await readFile("/etc/os-release", "utf8").catch(() => ""))?.[1] ?? process.platform;
  const fileSystem = (await outputOf(["stat", "-f", "-c", "%T", dataFolder]))?.trim() ?? "unknown";
  const ganesha = (await outputOf(["dpkg-query", "-W", "-f", "${Version}", "nfs-ganesha"]))?.trim();
  const load = (await readFile("/proc/loadavg", "utf8").catch(() => "")).split(" ").slice(0, 3).join(" ");
  return [
    `${processors.length} CPUs (${processors[0]?.model.trim() ?? "unknown"}), ${Math.round(totalmem() / 2 ** 30)} GiB`,
    `${system}, kernel ${release()}, data on ${fileSystem === "ext2/ext3" ? "ext4" : fileSystem}`,
    `Bun ${Bun.version}${ganesha === undefined || ganesha === "" ? "" : `, nfs-ganesha ${ganesha}`}`,
    `load average at the start: ${load}`,
  ];
}

function idleShare(before: readonly number[], after: readonly number[]): number {
  const passed = after.map((value, i) => value - (before[i] ?? 0));
  const total = passed.reduce((sum, value) => sum + value, 0);
  return total === 0 ? 1 : ((passed[3] ?? 0) + (passed[4] ?? 0)) / total;
}

async function ticks(): Promise<readonly number[]> {
  return ((await readFile("/proc/stat", "utf8")).split("\n")[0] ?? "").split(/\s+/).slice(1, 8).map(Number);
}

/** Waits until the machine was 80 % idle for a quarter of a second, at most so long. */
export async function waitForIdle(secondsMax: number): Promise<void> {
  for (let i = 0; i < secondsMax * 4; i++) {
    const before = await ticks();
    await Bun.sleep(250);
    if (idleShare(before, await ticks()) >= 0.8) return;
  }
}
