/**
 * The same load on a share on S3 and on one on the filesystem store, by short turns: the machine differs from one second to the next. Who
 * has no turn is stopped (SIGSTOP) with all it has under way, so that each server writes back, uploads and publishes in its own time
 * alone, as it would under a load that goes on; and a turn begins when the S3 server has digested what it got in the one before.
 */
import { cpuSecondsOf, type Sample } from "../measure.ts";
import { RepeatedLoad } from "../repeated-load.ts";
import { type Bench, type Figure, type Parts, partsText } from "./lines.ts";
import type { Site, Subject } from "./site.ts";

export interface Compared {
  readonly name: string;
  readonly options: readonly string[];
  readonly turnSeconds: number;
  /** Turns of each server in a round. */
  readonly turns: number;
  /** Each begins with nothing unstored: what is written in order for long is taken at the speed of the bucket. */
  readonly drained?: boolean;
}

/** The S3 server is at rest when it and the proxy take less than this much of a processor, looked at so often, and is waited for so many times. */
const restingCores = 0.3;
const lookMs = 50;
const looksMax = 10;

/** How often pairs of turns are drawn anew to see how far their sum may be off. */
const draws = 1000;

/** One of two whose turns they are. */
class Turns {
  readonly subject: Subject;
  readonly load: RepeatedLoad;
  private readonly site: Site;

  private constructor(subject: Subject, load: RepeatedLoad, site: Site) {
    this.subject = subject;
    this.load = load;
    this.site = site;
  }

  static async start(subject: Subject, site: Site, { name, options }: Compared): Promise<Turns> {
    const turns = new Turns(subject, await RepeatedLoad.start(subject.server, name, options), site);
    turns.pause();
    return turns;
  }

  /** One turn, and the CPU that the S3 server took for it. */
  async take(seconds: number, drained: boolean): Promise<{ readonly sample: Sample; readonly s3Cpu: number }> {
    this.resume();
    if (drained) {
      await this.subject.drain();
      await rested(this.site);
    }
    const before = await s3Cpu(this.site);
    const sample = await this.load.run(seconds);
    this.pause();
    await rested(this.site);
    return { sample, s3Cpu: (await s3Cpu(this.site)) - before };
  }

  async end(): Promise<void> {
    this.resume();
    await this.load.end();
  }

  private pause(): void {
    process.kill(this.subject.server.pid, "SIGSTOP");
  }

  private resume(): void {
    process.kill(this.subject.server.pid, "SIGCONT");
  }
}

/** What a pair of turns gave: units done, seconds and CPU-seconds they took, and the S3 server's CPU-seconds for ours. */
interface Pair {
  readonly done: number;
  readonly sec: number;
  readonly cpu: number;
  readonly otherDone: number;
  readonly otherSec: number;
  readonly otherCpu: number;
  readonly s3Cpu: number;
}

/** One figure for each pair of turns. */
export async function inTurns({ site, cloud, local, round }: Bench, kind: string, shape: readonly string[], compared: Compared): Promise<readonly Figure[]> {
  const { name, options, turns, turnSeconds } = compared;
  for (const subject of [cloud, local]) await subject.drain();
  const both: Turns[] = [];
  try {
    for (const subject of [cloud, local]) both.push(await Turns.start(subject, site, { ...compared, options: [...shape, ...options] }));
    const [ours, theirs] = both as [Turns, Turns];
    const figures: Figure[] = [];
    // The first turn of each is not counted.
    for (let turn = -1; turn < turns; turn++) {
      const [first, last] = (turn + round) % 2 === 0 ? [ours, theirs] : [theirs, ours];
      const began = await first.take(turnSeconds, compared.drained === true);
      const ended = await last.take(turnSeconds, compared.drained === true);
      const [mine, other] = first === ours ? [began, ended] : [ended, began];
      if (turn < 0) continue;
      const parts: Pair = { ...doneIn(mine.sample, name), s3Cpu: mine.s3Cpu, ...otherwise(doneIn(other.sample, name)) };
      figures.push({ line: `${kind}: ${name}`, value: rateOf, parts: { ...parts }, combined: (all) => together(all as unknown as readonly Pair[], name) });
    }
    return figures;
  } finally {
    for (const one of both) await one.end();
  }
}

function doneIn({ mb_s: mbs, ops, secs, srv_cpu: cores, errors, verify_bad: bad }: Sample, name: string): Pick<Pair, "done" | "sec" | "cpu"> {
  if (errors + bad > 0) throw new Error(`${name}: ${errors} calls failed, ${bad} gave wrong data`);
  return { done: isSequential(name) ? mbs * secs : ops, sec: secs, cpu: cores * secs };
}

const otherwise = ({ done, sec, cpu }: Pick<Pair, "done" | "sec" | "cpu">) => ({ otherDone: done, otherSec: sec, otherCpu: cpu });
const isSequential = (name: string) => name.startsWith("seq");
const rateOf = (pair: Parts): number => ratio(pair as unknown as Pair, "sec", "otherSec");

/** Done a second, or a CPU-second, against the other's. */
function ratio({ done, otherDone, ...pair }: Pair, ours: "sec" | "cpu", theirs: "otherSec" | "otherCpu"): number {
  return done / pair[ours] / (otherDone / pair[theirs]);
}

function sumOf(pairs: readonly Pair[]): Pair {
  const sum = (name: keyof Pair) => pairs.reduce((all, { [name]: value }) => all + value, 0);
  return { done: sum("done"), sec: sum("sec"), cpu: sum("cpu"), otherDone: sum("otherDone"), otherSec: sum("otherSec"), otherCpu: sum("otherCpu"), s3Cpu: sum("s3Cpu") };
}

/**
 * All pairs together, since what a server does besides falls into few turns; and how far that may be off: the middle 95 % of what as many
 * pairs come to that are drawn from these with repetition.
 */
function together(pairs: readonly Pair[], name: string): { readonly value: number; readonly detail: string } {
  const all = sumOf(pairs);
  const drawn = Array.from({ length: draws }, () => sumOf(pairs.map(() => pairs[Math.floor(Math.random() * pairs.length)] as Pair)));
  const interval = (of: (pair: Pair) => number) => {
    const sorted = drawn.map(of).sort((a, b) => a - b);
    return `${(sorted[Math.floor(draws * 0.025)] as number).toFixed(2)} to ${(sorted[Math.floor(draws * 0.975)] as number).toFixed(2)}`;
  };
  const byTime = (pair: Pair) => ratio(pair, "sec", "otherSec");
  const byCpu = (pair: Pair) => ratio(pair, "cpu", "otherCpu");
  const unit = isSequential(name) ? "MB/s" : "ops/s";
  const rates = partsText({ [unit]: all.done / all.sec, [`filesystem ${unit}`]: all.otherDone / all.otherSec, "CPUs of the S3 server meanwhile": all.s3Cpu / all.sec });
  return { value: byTime(all), detail: `95 % interval ${interval(byTime)}; a server CPU-second ${byCpu(all).toFixed(2)} × (${interval(byCpu)}); ${pairs.length} pairs of turns: ${rates}` };
}

async function s3Cpu({ s3, proxy }: Site): Promise<number> {
  const all = await Promise.all([...s3.pids, proxy.pid].map((pid) => cpuSecondsOf(pid)));
  return all.reduce((sum, one) => sum + one, 0);
}

/** What is in sockets when a server stops is still taken in. The S3 server tells nobody when it is done: what it uses in a stretch of time does. */
async function rested(site: Site): Promise<void> {
  let before = await s3Cpu(site);
  for (let look = 0; look < looksMax; look++) {
    await Bun.sleep(lookMs);
    const now = await s3Cpu(site);
    if (now - before < (restingCores * lookMs) / 1000) return;
    before = now;
  }
}
