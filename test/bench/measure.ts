import { readdir, readFile } from "node:fs/promises";
import type { Server } from "./servers.ts";
import { tool } from "./tools.ts";

/** One line of the load generator; rates per second, latencies in microseconds, CPU in cores. */
export interface Sample {
  readonly ops_s: number;
  readonly mb_s: number;
  readonly p50_us: number;
  readonly p99_us: number;
  readonly max_us: number;
  readonly errors: number;
  readonly verify_bad: number;
  readonly cli_cpu: number;
  readonly srv_cpu: number;
  readonly secs: number;
  readonly ops: number;
}

export interface Lag {
  readonly calls: number;
  readonly p50_us: number;
  readonly p99_us: number;
  readonly max_us: number;
}

const loadSecondsMax = 900;

/**
 * Runs one workload of the NFS load generator against a server. `running` is called when the measured part begins. Throws with the
 * generator's words if it fails.
 */
export function load(server: Server, workload: string, options: readonly string[], running?: () => void): Promise<Sample> {
  return run(server, workload, [tool("nfsload"), "-p", String(server.port), "-m", String(server.mountPort), "-e", server.export, "-A", ...options], running);
}

/** The same of the SMB load generator, over a share of the export's name. */
export function loadSmb(server: Server, workload: string, options: readonly string[]): Promise<Sample> {
  return run(server, workload, [tool("smbload"), "-p", String(server.smbPort), "-e", server.export.slice(1), ...options]);
}

async function run(server: Server, workload: string, generator: readonly string[], running?: () => void): Promise<Sample> {
  const command = [...generator, "-H", "127.0.0.1", "-N", server.name, ...(server.pid > 0 ? ["-S", String(server.pid)] : []), workload];
  const child = Bun.spawn(["timeout", String(loadSecondsMax), ...command], { stdout: "pipe", stderr: "pipe" });
  const words = (async () => {
    const decoder = new TextDecoder();
    let all = "";
    for await (const chunk of child.stderr) {
      const before = all.includes("running ");
      all += decoder.decode(chunk, { stream: true });
      if (!before && all.includes("running ")) running?.();
    }
    return all.replace(/^(running|note:) .*\n/gm, "");
  })();
  const line = (await new Response(child.stdout).text()).trim().split("\n").at(-1) ?? "";
  const complaints = await words;
  if ((await child.exited) !== 0 || line === "") throw new Error(`${workload} against ${server.name} failed: ${complaints}`);
  if (complaints !== "") console.error(complaints.trimEnd());
  return JSON.parse(line) as Sample;
}

/** Latency of a NULL call on a connection of its own every 2 ms, for as long as told. */
export async function probeLag(server: Server, seconds: number): Promise<Lag> {
  const child = Bun.spawn([tool("nullprobe"), String(server.port), String(seconds), "2"], { stdout: "pipe", stderr: "inherit" });
  const text = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) throw new Error(`nullprobe against ${server.name} failed`);
  return JSON.parse(text) as Lag;
}

/** Resident memory of a process in bytes: now and at its highest. */
export async function memoryOf(pid: number): Promise<{ readonly now: number; readonly peak: number }> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const kib = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? Number.NaN);
  return { now: kib("VmRSS") * 1024, peak: kib("VmHWM") * 1024 };
}

const ticksPerSecond = 100;

/** CPU seconds of each thread of a process so far, user and kernel, by thread id. */
export async function threadsOf(pid: number): Promise<ReadonlyMap<number, { readonly name: string; readonly user: number; readonly system: number }>> {
  const threads = new Map<number, { name: string; user: number; system: number }>();
  for (const id of await readdir(`/proc/${pid}/task`)) {
    const stat = await readFile(`/proc/${pid}/task/${id}/stat`, "utf8").catch(() => "");
    const match = /^\d+ \((.*)\) (.*)$/.exec(stat.trim());
    if (match === null) continue;
    const fields = (match[2] as string).split(" ");
    threads.set(Number(id), { name: match[1] as string, user: Number(fields[11]) / ticksPerSecond, system: Number(fields[12]) / ticksPerSecond });
  }
  return threads;
}

/** CPU seconds of all threads of a process so far. */
export async function cpuSecondsOf(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, "utf8")).replace(/^.*\) /s, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** Nanoseconds each thread of a process has run so far, by thread id: finer than ticks, but without threads that have ended. */
export async function cpuOfThreads(pid: number): Promise<ReadonlyMap<number, { readonly name: string; readonly ns: number }>> {
  const threads = new Map<number, { readonly name: string; readonly ns: number }>();
  for (const id of await readdir(`/proc/${pid}/task`)) {
    const [name, schedstat] = await Promise.all(["comm", "schedstat"].map((file) => readFile(`/proc/${pid}/task/${id}/${file}`, "utf8").catch(() => "")));
    if (name !== undefined && schedstat !== undefined && schedstat !== "") threads.set(Number(id), { name: name.trim(), ns: Number(schedstat.split(" ")[0]) });
  }
  return threads;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** The interval that holds the true median nineteen times of twenty, by the order of what was measured. */
export function likelyMedian(values: readonly number[]): readonly [low: number, high: number] {
  const sorted = values.toSorted((a, b) => a - b);
  const off = Math.max(0, Math.floor(values.length / 2 - 0.98 * Math.sqrt(values.length)));
  return [sorted[off] ?? Number.NaN, sorted[sorted.length - 1 - off] ?? Number.NaN];
}
