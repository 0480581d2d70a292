/**
 * The same load on a share on S3 and on one on the filesystem store, by short turns: the machine differs from one second to the next. Who
 * has no turn is stopped (SIGSTOP) with all it has under way, so that each server writes back, uploads and publishes in its own time
 * alone, as it would under a load that goes on; and a turn begins when the S3 server has digested what it got in the one before.
 */
import { cpuSecondsOf, likelyMedian, median, type Sample } from "../measure.ts";
import { RepeatedLoad } from "../repeated-load.ts";
import type { Bench, Figure, Parts } from "./lines.ts";
import type { Site, Subject } from "./site.ts";

export interface Compared {
  readonly name: string;
  readonly options: readonly string[];
  readonly turnSeconds: number;
  /** Turns of each server in a round. */
  readonly turns: number;
}

/** The S3 server is at rest when it and the proxy take less than this much of a processor, looked at so often, and is waited for so many times. */
const restingCores = 0.3;
const lookMs = 50;
const looksMax = 20;

const rates = "rate";
const perCpu = "per CPU";

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
  async take(seconds: number): Promise<{ readonly sample: Sample; readonly s3Cpu: number }> {
    const before = await s3Cpu(this.site);
    this.resume();
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

/** One figure for each pair of turns. */
export async function inTurns({ site, cloud, local, round }: Bench, kind: string, shape: readonly string[], compared: Compared): Promise<readonly Figure[]> {
  const { name, options, turns, turnSeconds } = compared;
  for (const subject of [cloud, local]) await subject.drain();
  const both: Turns[] = [];
  try {
    for (const subject of [cloud, local]) both.push(await Turns.start(subject, site, { ...compared, options: [...shape, ...options] }));
    const [ours, theirs] = both as [Turns, Turns];
    const rate = ({ mb_s: mbs, ops_s: ops }: Sample) => (name.startsWith("seq") ? mbs : ops);
    const unit = name.startsWith("seq") ? "MB/s" : "ops/s";
    const figures: Figure[] = [];
    // The first turn of each is not counted.
    for (let turn = -1; turn < turns; turn++) {
      const first = (turn + round) % 2 === 0 ? ours : theirs;
      const taken = new Map<Turns, Awaited<ReturnType<Turns["take"]>>>();
      for (const one of [first, first === ours ? theirs : ours]) taken.set(one, await one.take(turnSeconds));
      if (turn < 0) continue;
      const [{ sample: mine, s3Cpu: s3 }, { sample: other }] = [taken.get(ours)!, taken.get(theirs)!];
      for (const { errors, verify_bad: bad } of [mine, other]) if (errors + bad > 0) throw new Error(`${name}: ${errors} calls failed, ${bad} gave wrong data`);
      figures.push({
        line: `${kind}: ${name}`,
        value: ({ [rates]: ratio = Number.NaN }) => ratio,
        parts: { [rates]: rate(mine) / rate(other), [perCpu]: rate(mine) / mine.srv_cpu / (rate(other) / other.srv_cpu), [unit]: rate(mine), [`filesystem ${unit}`]: rate(other), "S3 server's CPUs": s3 / mine.secs },
      });
    }
    return figures;
  } finally {
    for (const one of both) await one.end();
  }
}

/** Where the ratios of a line's pairs of turns lie; null for a line that has none. */
export function turnsText(all: readonly Figure[]): string | null {
  const of = (name: string) => all.map(({ parts: { [name]: value = Number.NaN } }) => value);
  const interval = (name: string) => likelyMedian(of(name)).map((bound) => bound.toFixed(2)).join(" to ");
  return all[0]?.parts[perCpu] === undefined ? null : `95 % interval ${interval(rates)}; a server CPU-second ${median(of(perCpu)).toFixed(2)} × (${interval(perCpu)}); medians of ${all.length} pairs of turns`;
}

/** Parts of such a line without the ratios. */
export function measured({ [rates]: _rate, [perCpu]: _perCpu, ...parts }: Parts): Parts {
  return parts as Parts;
}

async function s3Cpu({ s3, proxy }: Site): Promise<number> {
  const all = await Promise.all([...s3.pids, proxy.pid].map((pid) => cpuSecondsOf(pid)));
  return all.reduce((sum, one) => sum + one, 0);
}

/** What is in sockets when a server stops is still taken in. */
async function rested(site: Site): Promise<void> {
  let before = await s3Cpu(site);
  for (let look = 0; look < looksMax; look++) {
    await Bun.sleep(lookMs);
    const now = await s3Cpu(site);
    if (now - before < (restingCores * lookMs) / 1000) return;
    before = now;
  }
}
