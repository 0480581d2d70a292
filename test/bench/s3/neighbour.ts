import { median } from "../measure.ts";
import { Proxy } from "./children.ts";
import { type Figure, medians, type Parts, partsText, ratio } from "./lines.ts";
import { latencyMs, makeShare, type Site, Subject } from "./site.ts";

const now = () => performance.now() / 1000;
const MiB = 2 ** 20;
/** What the share writes at a time, at most. */
const writtenMiBMax = 256;
/** What waits for the bucket that is down. */
const waitingMiB = 128;

interface Options {
  readonly directory: string;
  readonly program: readonly string[];
  readonly rounds: number;
  readonly sequentialMiB: number;
}

const slower = ratio("MB/s", "before MB/s");

/** The machine differs from round to round by more than what is asked: each is judged against its own beginning. */
function paired(all: readonly Parts[]): { readonly value: number; readonly detail: string } {
  const ratios = all.map(slower);
  return { value: median(ratios), detail: `of each round's own before, from ${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}; ${partsText(medians(all))}` };
}

/** What a share does while another's bucket is down, with content waiting for it, against what it does before. */
export async function neighbour(site: Site, { directory, program, rounds, ...options }: Options): Promise<readonly Figure[]> {
  const sequentialMiB = Math.min(options.sequentialMiB, writtenMiBMax);
  const subject = new Subject("pair", directory, program, "/well");
  const port = new Proxy(site.s3.port, latencyMs);
  let other = port;
  const figures: Figure[] = [];
  try {
    await subject.start();
    await makeShare(subject, site.storeConfig(site.s3.bucketName()), "well");
    await makeShare(subject, site.storeConfig(site.s3.bucketName(), other.endpoint), "ill");
    await subject.admin.do("DELETE", "/api/v1/shares/export");
    const speed = async (round: string): Promise<number> => {
      let began = now();
      await subject.load("seqwrite", ["-C", "1", "-Q", "16", "-s", String(sequentialMiB), "-P", "1", "-k", "-B", `data${round}`], () => (began = now()));
      await subject.drain("/well");
      return (sequentialMiB * MiB) / 1e6 / (now() - began);
    };
    for (let round = 1; round <= rounds; round++) {
      const before = await speed(`${round}a`);
      await other.stop();
      await subject.load("seqwrite", ["-C", "1", "-Q", "16", "-s", String(waitingMiB), "-P", "1", "-k", "-B", `ill${round}`], undefined, "/ill");
      const during = await speed(`${round}b`);
      const waiting = await subject.unstoredBytes("ill");
      if (waiting < waitingMiB * MiB) throw new Error(`only ${waiting} bytes wait for a bucket that is down`);
      other = new Proxy(site.s3.port, latencyMs, port.port);
      const began = now();
      await subject.drain("/ill");
      const figure: Figure = { line: "a neighbour's bucket is down", value: slower, combined: paired, parts: { "MB/s": during, "before MB/s": before, "MB waiting meanwhile": waiting / 1e6, "s until they were stored once it was back": now() - began } };
      console.error(`  ${figure.line}: ${figure.value(figure.parts).toFixed(3)}  ${partsText(figure.parts)}`);
      figures.push(figure);
    }
    return figures;
  } finally {
    await subject.stop(false);
    await other.stop();
  }
}
