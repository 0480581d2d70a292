/**
 * Benchmarks of the compiled server against a peer, taking turns. See test/bench/README.md, or `--help`.
 */
import { parseArgs } from "node:util";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { describeMachine, waitForIdle } from "./machine.ts";
import { type Lag, type Sample, load, median, memoryOf, probeLag } from "./measure.ts";
import { controlBounds } from "./control.ts";
import { type Bound, type Figures, type Report, type Row, boundTable, controlSection, figuresOf, lagDetail, page, plain, postgresSection, recoverySection, s3Section, smbSection, telemetrySection, wrappersSection, sectionHeadings, sectionIn, tableOf, withRows, withSection, withSmbRows } from "./report.ts";
import { s3Bounds } from "./s3/index.ts";
import { smbFigures } from "./smb.ts";
import { postgresBounds, recoveryBounds } from "./by-script.ts";
import { wrapperBounds } from "./wrappers.ts";
import { telemetryBounds } from "./telemetry.ts";
import { type Server, foreignServer, startDittofs, startGanesha, startNullServer } from "./servers.ts";
import { buildTools, outputOf, projectRoot, tool } from "./tools.ts";
import { type Workload, defaultShape, workloads, workloadsNamed } from "./workloads.ts";

const help = `bun test/bench/run.ts [options]
  --workloads a,b   only these (${workloads.map((each) => each.name).join(" ")})
  --rounds N        rounds, medians are over them (3)
  --secs S          seconds of each measured run (1; sequential ones 2)
  --peer NAME       ganesha (default), nullnfs, none, or name=127.0.0.1:port:mountport:/export
  --subject NAME    what is measured: dist (dist/dittofs, default), source (bun src/main.ts), ganesha, nullnfs
  --lag             also the latency of a NULL call while others write
  --memory          also resident memory, idle and after the workloads
  --million         also list a directory of a million entries (making it takes minutes)
  --limits          also what the machine allows without any server
  --control         only the control plane: reads of the REST interface, and files while log-ins are offered
  --s3              only a share on S3, against the filesystem store and against the S3 server alone; --workloads then names its lines
  --smb             only SMB 3.1.1 against Samba, signed and encrypted; --workloads then names its lines
  --signed-only     of --smb, without the same encrypted
  --telemetry       only what metrics and traces cost NFS, off and on, against a build without their hooks (20 rounds unless told)
  --wrappers        only what compression and encryption of a block store cost
  --postgres        only metadata in PostgreSQL, SQLite beside it
  --recovery        only how fast a share is checked, and how long a recovery of --files files takes (1,000,000)
  --all             --lag --memory --million --limits
  --size MIB        what --s3 writes and reads in order, and --wrappers writes (512)
  --large MIB       the file that --s3 overwrites at random (2048)
  --verify          check all data, names and handles (slower client)
  --quiet S         wait up to S seconds for an idle machine before each run
  --dir PATH        where the servers keep their data (.tmp/bench in the project)
  --keep            leave data and logs
  --publish         write docs/benchmarks.md; with --workloads, only their rows in it`;

const { values: options } = parseArgs({
  args: Bun.argv.slice(2),
  options: {
    workloads: { type: "string" },
    rounds: { type: "string", default: "3" },
    secs: { type: "string" },
    peer: { type: "string", default: "ganesha" },
    subject: { type: "string", default: "dist" },
    lag: { type: "boolean", default: false },
    memory: { type: "boolean", default: false },
    million: { type: "boolean", default: false },
    limits: { type: "boolean", default: false },
    control: { type: "boolean", default: false },
    s3: { type: "boolean", default: false },
    smb: { type: "boolean", default: false },
    "signed-only": { type: "boolean", default: false },
    wrappers: { type: "boolean", default: false },
    postgres: { type: "boolean", default: false },
    recovery: { type: "boolean", default: false },
    files: { type: "string", default: "1000000" },
    telemetry: { type: "boolean", default: false },
    size: { type: "string", default: "512" },
    large: { type: "string", default: "2048" },
    all: { type: "boolean", default: false },
    verify: { type: "boolean", default: false },
    quiet: { type: "string", default: "0" },
    dir: { type: "string", default: join(projectRoot, ".tmp/bench") },
    keep: { type: "boolean", default: false },
    publish: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

/** How long a server is left alone before its idle memory is read. */
const idleSeconds = 30;
const rounds = Number(options.rounds);
const say = (text: string) => console.error(text);

async function startServer(name: string): Promise<Server | null> {
  if (name === "none") return null;
  if (name.includes("=")) return foreignServer(name);
  if (name === "ganesha") return startGanesha(options.dir);
  if (name === "nullnfs") return startNullServer(options.dir);
  if (name === "dist" || name === "source") return startDittofs(options.dir, programOf(name));
  throw new Error(`no such server: ${name}`);
}

function programOf(name: string): readonly string[] {
  return name === "source" ? ["bun", join(projectRoot, "src/main.ts")] : [join(projectRoot, "dist/dittofs")];
}

function optionsOf(workload: Workload): readonly string[] {
  const seconds = options.secs ?? (workload.unit === "MB/s" ? "2" : "1");
  return [
    ...defaultShape,
    ...["-t", seconds],
    ...workload.arguments,
    ...(workload.keeps === undefined ? [] : ["-k", "-B", workload.keeps]),
    ...(options.verify ? ["-V"] : []),
  ];
}

/** All rounds of all workloads, servers in turn. A run that fails is told of and left out. */
async function measureAll(chosen: readonly Workload[], servers: readonly Server[]): Promise<ReadonlyMap<string, Sample[]>> {
  const samples = new Map<string, Sample[]>();
  for (let round = 1; round <= rounds; round++) {
    for (const workload of chosen) {
      for (const server of servers) {
        await waitForIdle(Number(options.quiet));
        const key = `${workload.name} ${server.name}`;
        try {
          samples.set(key, [...(samples.get(key) ?? []), await load(server, workload.load, optionsOf(workload))]);
        } catch (error) {
          say(`round ${round}: ${(error as Error).message}`);
        }
      }
    }
    say(`round ${round} of ${rounds} done`);
  }
  return samples;
}

function rowsOf(chosen: readonly Workload[], samples: ReadonlyMap<string, Sample[]>, subject: Server, peer: Server | null): readonly Row[] {
  const figures = (workload: Workload, server: Server | null): Figures | null => {
    const own = server === null ? undefined : samples.get(`${workload.name} ${server.name}`);
    return own === undefined ? null : figuresOf(workload, own);
  };
  return chosen.map((workload) => ({ workload, ours: figures(workload, subject), peer: figures(workload, peer) }));
}

/** NULL latency on an idle connection while the server takes writes as fast as it can: median of the rounds by p99. */
async function lagUnder(server: Server, workload: string): Promise<Lag> {
  const seconds = 3;
  const lags: Lag[] = [];
  for (let round = 0; round < rounds; round++) {
    const probes: Promise<Lag>[] = [];
    await load(server, workload, [...defaultShape, "-t", String(seconds), "-s", "128"], () => probes.push(probeLag(server, seconds)));
    lags.push(...(await Promise.all(probes)));
  }
  const middle = median(lags.map((lag) => lag.p99_us));
  return lags.toSorted((a, b) => Math.abs(a.p99_us - middle) - Math.abs(b.p99_us - middle))[0] as Lag;
}

async function lagBounds(subject: Server, peer: Server | null): Promise<readonly Bound[]> {
  const bounds: Bound[] = [];
  for (const workload of ["seqrewrite", "randwrite"]) {
    const ours = await lagUnder(subject, workload);
    const theirs = peer === null ? null : await lagUnder(peer, workload);
    bounds.push({
      what: `NULL latency p99 during ${workload}`,
      value: ours.p99_us / 1000,
      unit: "ms",
      most: 20,
      ...(theirs === null ? {} : { peer: theirs.p99_us / 1000 }),
      detail: lagDetail(ours),
    });
  }
  return bounds;
}

/** Time to list a directory of a million entries from end to end, and what that does to the server's memory. */
async function millionBounds(server: Server): Promise<readonly Bound[]> {
  const shape = ["-C", "1", "-Q", "1", "-t", "1", "-n", "1000000", "-k", "-B", "bench-1m"];
  say("making a million files");
  await load(server, "readdir", ["-C", "2", "-Q", "128", "-t", "0.1", "-n", "1000000", "-k", "-B", "bench-1m"]);
  const before = server.pid > 0 ? await memoryOf(server.pid) : null;
  const bounds: Bound[] = [];
  for (const [workload, procedure] of [["list", "READDIR"], ["listplus", "READDIRPLUS"]] as const) {
    const seconds: number[] = [];
    for (let round = 0; round < rounds; round++) seconds.push((await load(server, workload, shape)).p50_us / 1e6);
    bounds.push({ what: `listing a million entries with ${procedure}`, value: median(seconds), unit: "s", most: 3 });
  }
  if (before !== null) {
    const grown = ((await memoryOf(server.pid)).now - before.now) / 1e6;
    bounds.push({ what: "growth of resident memory by these listings", value: grown, unit: "MB", most: 50 });
  }
  return bounds;
}

async function main(): Promise<number> {
  if (options.help) {
    console.log(help);
    return 0;
  }
  const named = options.workloads?.split(",").filter((name) => name !== "") ?? null;
  const chosen = named === null || options.s3 || options.smb ? workloads : workloadsNamed(named);
  await buildTools();
  await mkdir(options.dir, { recursive: true });
  const machine = await describeMachine(options.dir);
  if (options.s3) {
    await reportS3(machine, named);
    return 0;
  }
  if (options.smb) return await reportSmb(machine, named);
  if (options.wrappers) {
    await reportWrappers(machine);
    return 0;
  }
  if (options.postgres || options.recovery) {
    await reportByScript(machine);
    return 0;
  }
  if (options.telemetry) {
    await reportTelemetry(machine);
    return 0;
  }
  const servers: Server[] = [];
  try {
    const subject = (await startServer(options.subject)) as Server;
    servers.push(subject);
    if (options.control) {
      await reportControl(machine, await controlBounds(subject, rounds, Number(options.secs ?? "2")));
      return 0;
    }
    const wantsMemory = options.memory || options.all;
    // What starting took has been given back by then.
    if (wantsMemory && subject.pid > 0) await Bun.sleep(idleSeconds * 1000);
    const idle = subject.pid > 0 ? await memoryOf(subject.pid) : null;
    const peer = await startServer(options.peer);
    if (peer !== null) servers.push(peer);
    const samples = await measureAll(chosen, servers);
    const rows = rowsOf(chosen, samples, subject, peer);
    const bounds: Bound[] = [];
    if (options.lag || options.all) bounds.push(...(await lagBounds(subject, peer)));
    if (options.million || options.all) bounds.push(...(await millionBounds(subject)));
    if (wantsMemory && idle !== null) bounds.push(...(await memoryBounds(subject, peer, idle.now)));
    await report({
      machine,
      ...asked(),
      peerName: peer?.name ?? null,
      rounds,
      seconds: options.secs === undefined ? "1 s (sequential data: 2 s)" : `${options.secs} s`,
      rows,
      bounds,
      limits: options.limits || options.all ? await outputOf([tool("limits"), options.dir, "0.3"]) : null,
    });
    return rows.some((row) => row.ours === null || row.ours.bad > 0) ? 1 : 0;
  } finally {
    for (const server of servers.reverse()) await server.stop(options.keep);
    if (!options.keep) await rm(options.dir, { recursive: true, force: true });
  }
}

/** Resident memory just started and at its highest so far, against the bounds promised. */
async function memoryBounds(subject: Server, peer: Server | null, idleBytes: number): Promise<readonly Bound[]> {
  const peak = (await memoryOf(subject.pid)).peak / 1e6;
  const theirs = peer !== null && peer.pid > 0 ? { peer: (await memoryOf(peer.pid)).peak / 1e6 } : {};
  const cache = subject.cacheBytes;
  return [
    { what: `resident memory ${idleSeconds} s after the start`, value: idleBytes / 1e6, unit: "MB", most: 70 },
    { what: "highest resident memory over all of this", value: peak, unit: "MB", most: cache === null ? null : Math.round(cache / 1e6) + 300, ...theirs },
  ];
}

const asked = () => ({ date: new Date().toISOString().slice(0, 10), command: ["./scripts/bench", ...Bun.argv.slice(2)].join(" ") });
const publishedPath = join(projectRoot, "docs/benchmarks.md");
const published = () => Bun.file(publishedPath).text().catch(() => "# Benchmarks\n");

async function publish(text: string): Promise<void> {
  await Bun.write(publishedPath, text);
  say(`wrote ${publishedPath}`);
}

async function reportControl(machine: readonly string[], bounds: readonly Bound[]): Promise<void> {
  console.log(plain(boundTable(bounds)));
  if (options.publish) await publish(withSection(await published(), controlSection({ machine, ...asked(), rounds, bounds })));
}

async function reportS3(machine: readonly string[], lines: readonly string[] | null): Promise<void> {
  const bounds = await s3Bounds({
    directory: options.dir,
    program: programOf(options.subject),
    rounds,
    seconds: Number(options.secs ?? "1"),
    lines,
    sequentialMiB: Number(options.size),
    largeMiB: Number(options.large),
  });
  console.log(plain(boundTable(bounds)));
  if (options.publish) await publish(withSection(await published(), s3Section({ machine, ...asked(), rounds, bounds })));
}

async function reportSmb(machine: readonly string[], names: readonly string[] | null): Promise<number> {
  const figures = await smbFigures({
    directory: options.dir,
    program: programOf(options.subject),
    rounds,
    seconds: options.secs ?? null,
    names,
    quietSeconds: Number(options.quiet),
    keep: options.keep,
    signedOnly: options["signed-only"],
  });
  console.log(`signed\n${plain(tableOf(figures.signed))}\n\nencrypted\n${plain(tableOf(figures.encrypted))}`);
  const report = { machine, ...asked(), rounds, seconds: options.secs ?? null, ...figures };
  const some = names !== null && options["signed-only"];
  if (options.publish) await publish(some ? withSmbRows(await published(), report) : withSection(await published(), smbSection(report)));
  if (!options.keep) await rm(options.dir, { recursive: true, force: true });
  return figures.signed.some((row) => row.ours === null || row.ours.bad > 0) ? 1 : 0;
}

async function reportWrappers(machine: readonly string[]): Promise<void> {
  const bounds = await wrapperBounds({ directory: options.dir, program: programOf(options.subject), rounds, sequentialMiB: Number(options.size) });
  console.log(plain(boundTable(bounds)));
  if (options.publish) await publish(withSection(await published(), wrappersSection({ machine, ...asked(), rounds, bounds })));
}

async function reportByScript(machine: readonly string[]): Promise<void> {
  const bounds = options.postgres ? await postgresBounds({ rounds, creates: 20_000 }) : await recoveryBounds({ directory: options.dir, rounds, files: Number(options.files) });
  console.log(plain(boundTable(bounds)));
  const section = options.postgres ? postgresSection : recoverySection;
  if (options.publish) await publish(withSection(await published(), section({ machine, ...asked(), rounds, bounds })));
  if (!options.keep) await rm(options.dir, { recursive: true, force: true });
}

async function reportTelemetry(machine: readonly string[]): Promise<void> {
  const pairs = Bun.argv.includes("--rounds") ? rounds : 20;
  const bounds = await telemetryBounds({ directory: options.dir, program: programOf(options.subject), rounds: pairs, seconds: Number(options.secs ?? "1"), quietSeconds: Number(options.quiet) });
  console.log(plain(boundTable(bounds)));
  if (options.publish) await publish(withSection(await published(), telemetrySection({ machine, ...asked(), rounds: pairs, bounds })));
}

async function report(all: Report): Promise<void> {
  console.log(plain(tableOf(all.rows)));
  if (all.bounds.length > 0) console.log(`\n${plain(boundTable(all.bounds))}`);
  if (all.limits !== null) console.log(`\n${all.limits.trimEnd()}`);
  if (!options.publish) return;
  const before = await published();
  if (options.workloads !== undefined) await publish(withRows(before, all));
  else await publish(sectionHeadings.reduce((text, heading) => withSection(text, sectionIn(before, heading)), page(all)));
}

process.exit(await main());
