import type { Session } from "node:inspector";

/** A function, as stacks name it. */
export interface Frame {
  readonly name: string;
  /** The source it is in; "": a part of the runtime. */
  readonly file: string;
  /** Where it begins; 0: not known. */
  readonly line: number;
}

/** A place in the tree of all stacks that were seen. The first node is the root. */
export interface SampledNode {
  readonly id: number;
  readonly frame: Frame;
  readonly children: readonly number[];
  /** How often it was on top. */
  readonly samples: number;
}

/** Processor time so far, in microseconds. */
export interface CpuTime {
  /** Of the event loop's thread. */
  readonly main: number;
  readonly process: number;
}

/** The runtime's profiler of this thread. There is one of it. */
export interface Sampler {
  readonly intervalUs: number;
  start(): Promise<void>;
  stop(): Promise<readonly SampledNode[]>;
  cpuTime(): CpuTime;
}

/**
 * The profiler takes its samples by the wall clock, of a thread that may be waiting in a system call or for its turn; at 10 ms
 * what it costs can't be told from noise, and stopping it after ten seconds takes a few milliseconds.
 */
const samplingIntervalUs = 10_000;

interface CpuProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly hitCount?: number;
  readonly children?: readonly number[] | null;
}

function frameOf({ functionName, url, lineNumber }: CpuProfileNode["callFrame"]): Frame {
  return { name: functionName === "" ? "anonymous" : functionName, file: sourceOf(url), line: lineNumber + 1 };
}

/** A source as the project names it, whichever way the executable was built. */
function sourceOf(url: string): string {
  const path = url.replace(/^file:\/\//, "");
  const at = Math.max(path.lastIndexOf("/src/"), path.startsWith("src/") ? 0 : -1);
  const packages = path.lastIndexOf("node_modules/");
  if (packages >= 0) return path.slice(packages);
  return at < 0 ? path : path.slice(path.indexOf("src/", at));
}

/** Opens the runtime's profiler. */
export async function openSampler(): Promise<Sampler> {
  const inspector = await import("node:inspector");
  const session = new inspector.Session();
  session.connect();
  const ask = asker(session);
  await ask("Profiler.enable");
  await ask("Profiler.setSamplingInterval", { interval: samplingIntervalUs });
  return {
    intervalUs: samplingIntervalUs,
    async start() {
      await ask("Profiler.start");
    },
    async stop() {
      const { profile } = (await ask("Profiler.stop")) as { readonly profile: { readonly nodes: readonly CpuProfileNode[] } };
      return profile.nodes.map((node) => ({ id: node.id, frame: frameOf(node.callFrame), children: node.children ?? [], samples: node.hitCount ?? 0 }));
    },
    cpuTime() {
      const main = process.threadCpuUsage();
      const all = process.cpuUsage();
      return { main: main.user + main.system, process: all.user + all.system };
    },
  };
}

function asker(session: Session): (method: string, parameters?: object) => Promise<object> {
  return (method, parameters) =>
    new Promise((resolve, reject) => {
      session.post(method, parameters, (error: Error | null, answer?: object) => (error === null ? resolve(answer ?? {}) : reject(new Error(`the runtime's profiler: ${error.message}`))));
    });
}
