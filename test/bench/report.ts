import { type Lag, type Sample, median } from "./measure.ts";
import { warmSeconds, type Workload } from "./workloads.ts";
import { missed, missedInPostgres, missedOnS3, missedOverSmb } from "./notes.ts";

/** What one server did in one workload, medians over the rounds. */
export interface Figures {
  readonly rate: number;
  readonly perCpu: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly clientCpu: number;
  readonly serverCpu: number;
  /** Calls that failed or gave wrong data, over all rounds. */
  readonly bad: number;
}

export interface Row {
  readonly workload: Workload;
  readonly ours: Figures | null;
  readonly peer: Figures | null;
}

/** A figure that is judged by itself rather than against a peer. */
export interface Bound {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** Highest value that reaches the target; null where there is none. */
  readonly most: number | null;
  /** Lowest value that reaches it, where more is better. */
  readonly least?: number;
  readonly peer?: number;
  /** Where the value lies in nineteen times of twenty, by how much the rounds differ. */
  readonly interval?: readonly [low: number, high: number];
  readonly detail?: string;
}

export function figuresOf(workload: Workload, samples: readonly Sample[]): Figures {
  const rate = (sample: Sample) => (workload.unit === "MB/s" ? sample.mb_s : sample.ops_s);
  const of = (value: (sample: Sample) => number) => median(samples.map(value));
  return {
    rate: of(rate),
    // Below half a hundredth of a core the kernel's clock ticks no longer tell.
    perCpu: of((sample) => (sample.srv_cpu > 0.005 ? rate(sample) / sample.srv_cpu : Number.NaN)),
    p50Us: someOf(of((sample) => sample.p50_us)),
    p99Us: someOf(of((sample) => sample.p99_us)),
    clientCpu: of((sample) => sample.cli_cpu),
    serverCpu: of((sample) => sample.srv_cpu),
    bad: samples.reduce((sum, sample) => sum + sample.errors + sample.verify_bad, 0),
  };
}

/** A latency is 0 where nothing was begun and done within the time. */
const someOf = (latency: number): number => (latency > 0 ? latency : Number.NaN);

export const number = (value: number): string =>
  Number.isFinite(value) ? Math.round(value).toLocaleString("en-US") : "–";
const ratio = (ours: number | undefined, peer: number | undefined): string =>
  ours !== undefined && peer !== undefined && peer > 0 && Number.isFinite(ours / peer) ? `${(ours / peer).toFixed(2)}×` : "–";
const cores = (value: number | undefined): string => (value === undefined ? "–" : value.toFixed(2));

function targetText({ target }: Workload): string {
  const parts = [
    target.perCpu === undefined ? null : `≥ ${target.perCpu}× per CPU`,
    target.rate === undefined ? null : `≥ ${target.rate}× rate`,
    target.latency === undefined ? null : `≤ ${target.latency}× p50`,
  ];
  return parts.filter((part) => part !== null).join(", ");
}

/** Whether a row reaches its target; null where there is none or no peer to compare with. */
export function reached({ workload: { target }, ours, peer }: Row): boolean | null {
  if (ours === null || peer === null || Object.keys(target).length === 0) return null;
  return (
    ours.bad === 0 &&
    (target.rate === undefined || ours.rate >= target.rate * peer.rate) &&
    (target.perCpu === undefined || ours.perCpu >= target.perCpu * peer.perCpu) &&
    (target.latency === undefined || ours.p50Us <= target.latency * peer.p50Us)
  );
}

const verdict = (is: boolean | null): string => (is === null ? "" : is ? "yes" : "**no**");

export function tableOf(rows: readonly Row[]): readonly (readonly string[])[] {
  const head = ["workload", "unit", "ours", "peer", "rate", "ours/CPU-s", "peer/CPU-s", "per CPU", "p50 µs", "peer p50", "p99 µs", "client CPU", "server CPU", "peer CPU", "bad", "target", "reached"];
  return [
    head,
    ...rows.map((row) => {
      const { workload, ours, peer } = row;
      const cell = (figures: Figures | null, of: (figures: Figures) => number) => (figures === null ? "–" : number(of(figures)));
      return [
        workload.name,
        workload.unit,
        cell(ours, (f) => f.rate),
        cell(peer, (f) => f.rate),
        ratio(ours?.rate, peer?.rate),
        cell(ours, (f) => f.perCpu),
        cell(peer, (f) => f.perCpu),
        ratio(ours?.perCpu, peer?.perCpu),
        cell(ours, (f) => f.p50Us),
        cell(peer, (f) => f.p50Us),
        cell(ours, (f) => f.p99Us),
        cores(ours?.clientCpu),
        cores(ours?.serverCpu),
        cores(peer?.serverCpu),
        String((ours?.bad ?? 0) + (peer?.bad ?? 0)),
        targetText(workload),
        verdict(reached(row)),
      ];
    }),
  ];
}

/** Whether a target is reached, as far as the rounds tell: an interval that has the bound in it leaves that open. */
function boundVerdict({ value, most, least, interval }: Bound): string {
  if ((most === null && least === undefined) || !Number.isFinite(value)) return "";
  const reaches = (of: number): boolean => of <= (most ?? of) && of >= (least ?? of);
  if (interval !== undefined && reaches(interval[0]) !== reaches(interval[1])) return "not decided: interval crosses";
  return verdict(reaches(value));
}

export function boundTable(bounds: readonly Bound[]): readonly (readonly string[])[] {
  return [
    ["what", "ours", "peer", "target", "reached", "detail"],
    ...bounds.map((bound) => {
      const { what, value, unit, most, least, peer, detail } = bound;
      return [
        what,
        `${Number.isFinite(value) ? Number(value.toPrecision(3)).toLocaleString("en-US") : "–"} ${unit}`,
        peer === undefined || !Number.isFinite(peer) ? "–" : `${Number(peer.toPrecision(3)).toLocaleString("en-US")} ${unit}`,
        least !== undefined ? `≥ ${least.toLocaleString("en-US")} ${unit}` : most === null ? "" : `≤ ${most.toLocaleString("en-US")} ${unit}`,
        boundVerdict(bound),
        detail ?? "",
      ];
    }),
  ];
}

/** Columns padded for a terminal. */
export function plain(table: readonly (readonly string[])[]): string {
  const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map((row) => (row[column] ?? "").length)));
  return table.map((row) => row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  ").trimEnd()).join("\n");
}

export function markdown(table: readonly (readonly string[])[]): string {
  const [head = [], ...rows] = table;
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), `|${head.map((_, i) => (i < 2 ? "---" : "--:")).join("|")}|`, ...rows.map(line)].join("\n");
}

export function lagDetail(lag: Lag): string {
  return `p50 ${(lag.p50_us / 1000).toFixed(2)} ms, max ${(lag.max_us / 1000).toFixed(1)} ms, ${number(lag.calls)} calls`;
}

export interface Report {
  readonly machine: readonly string[];
  readonly date: string;
  readonly command: string;
  readonly peerName: string | null;
  readonly rounds: number;
  /** Length of a measured run, in words. */
  readonly seconds: string;
  readonly rows: readonly Row[];
  readonly bounds: readonly Bound[];
  /** What the machine allows without any server, as `limits` prints it; null where it was not asked for. */
  readonly limits: string | null;
}

const missesOf = (rows: readonly Row[]): readonly string[] => rows.filter((row) => reached(row) === false).map((row) => row.workload.name);
const explain = (names: readonly string[]): readonly string[] => names.map((name) => `- **${name}**: ${missed[name] ?? "not looked into yet."}`);

/** docs/benchmarks.md. */
export function page(report: Report): string {
  const missedBounds = report.bounds.filter((bound) => bound.most !== null && bound.value > bound.most).map((bound) => bound.what);
  const explained = explain([...missesOf(report.rows), ...missedBounds]);
  return `# Benchmarks

Written by \`${report.command}\` on ${report.date}.
Run it to have the figures of your machine. Absolute figures move with the machine and with what else it does: compare ratios, above all those per server CPU-second.

## Machine

${report.machine.map((line) => `- ${line}`).join("\n")}

## NFSv3, ours against ${report.peerName ?? "nobody"}

Client and servers share the machine, over loopback; the servers take turns (A B A B), medians of ${report.rounds} rounds of
${report.seconds} each.
2 connections with 16 calls in flight each, unless the workload says otherwise. Both servers keep their data on the same
disk. Ours answers CREATE, RENAME, REMOVE and a FILE_SYNC WRITE only when they are on stable storage; Ganesha on FSAL_VFS
syncs written data, but answers CREATE, RENAME and REMOVE before they are. MB are 10^6 bytes; *bad* counts failed calls and wrong
replies of both.

${markdown(tableOf(report.rows))}

What the workloads do: ${report.rows.map(({ workload }) => `\`${workload.name}\` ${workload.what}`).join("; ")}.

## Memory, latency under load, large directories

${markdown(boundTable(report.bounds))}

## What was missed, and why

${explained.length === 0 ? "Nothing." : explained.join("\n")}
${report.limits === null ? "" : `\n## What the machine allows without any server\n\n\`\`\`\n${report.limits.trimEnd()}\n\`\`\`\n`}`;
}

const againStart = "Measured again by ";
const missedHeading = "## What was missed, and why\n\n";

/**
 * A page with these rows in place of those it has of the same workloads, and said to be later ones. The other rows, and the sections
 * about anything else, stay as they are.
 */
export function withRows(text: string, about: About): string {
  const end = Math.min(text.length, ...sectionHeadings.map((heading) => text.indexOf(`\n${heading}\n`)).filter((at) => at >= 0));
  const added = explain(missesOf(about.rows)).map((line) => `${line}\n`).join("");
  return replaced(text.slice(0, end), about.rows, againNote(about)).replace(missedHeading, () => missedHeading + added) + text.slice(end);
}

type About = Pick<Report, "rows" | "date" | "command" | "rounds" | "seconds" | "machine">;

function againNote({ rows, command, date, rounds, seconds, machine }: About): string {
  return `${againStart}\`${command}\` on ${date}, medians of ${rounds} rounds of ${seconds} each, at a ${machine.at(-1) ?? ""}: ${rows.map((row) => row.workload.name).join(", ")}.`;
}

/** Lines of tables, and of why something was missed, without those of these workloads, and with these rows; `note` says where from. */
function replaced(text: string, rows: readonly Row[], note: string): string {
  const names = rows.map((row) => row.workload.name);
  const fresh = new Map(markdown(tableOf(rows)).split("\n").slice(2).map((line, i) => [names[i], line]));
  const lines = text.split("\n").flatMap((line) => {
    if (line.startsWith("What the workloads do:")) return [note, "", line];
    const name = /^\| (\w+) \|/.exec(line)?.[1];
    if (name !== undefined) return [fresh.get(name) ?? line];
    const explained = /^- \*\*(\w+)\*\*:/.exec(line)?.[1];
    return explained !== undefined && fresh.has(explained) ? [] : [line];
  });
  // What was measured again twice is said once.
  const again = (line: string): boolean => line.startsWith(againStart) && line !== note && line.slice(0, -1).split(": ").at(-1)!.split(", ").every((name) => names.includes(name));
  return lines.filter((line, i) => !again(line) && !(line === "" && again(lines[i - 1] ?? ""))).join("\n");
}

const controlHeading = "## The control plane";

/** The section of docs/benchmarks.md about the control plane, which is measured by itself. */
export function controlSection({ machine, date, command, rounds, bounds }: Pick<Report, "machine" | "date" | "command" | "rounds" | "bounds">): string {
  return `${controlHeading}

Written by \`${command}\` on ${date}, at a ${machine.at(-1) ?? ""}. Medians of ${rounds} rounds, those with and without log-ins in turn; load
generators and server share the machine. Reads are counted per CPU-second of the whole server. Of the log-ins half have the wrong password; each comes
from an address of its own, so that it is bcrypt that limits them, one at a time: those beyond what may wait are answered 429.

${markdown(boundTable(bounds))}
`;
}

const telemetryHeading = "## What watching costs";

/** The section of docs/benchmarks.md about telemetry, which is measured by itself. */
export function telemetrySection({ machine, date, command, rounds, bounds }: Pick<Report, "machine" | "date" | "command" | "rounds" | "bounds">): string {
  return `${telemetryHeading}

Written by \`${command}\` on ${date}, at a ${machine.at(-1) ?? ""}. How many GETATTR fewer a CPU-second of the server answers than one built without
hooks, 2 connections with 16 calls in flight each: the median of ${rounds} rounds, and the interval it lies in nineteen times of twenty. Each round starts eight servers anew, two of each
kind, and loads them by turns of 50 ms, each on the processor of its load generator; a round's figure of a kind is the mean of its two. What a server uses when nobody asks it anything is measured before and taken off for the
time it waits for its turns, which a server that is busy does not have; traces sent meanwhile are not taken off. So many traces a second are followed of each server as
its row says: an eighth of what \`telemetry.max_traces_per_second\` allows by itself, as each is loaded an eighth of the time. Without that bound a hundredth of these calls would be more than ten thousand
traces a second, and cost most of the processor. Before anything counts each server is loaded for 3 s by the same turns: what happens once after a start is over then. What the threads of the engine's
compiler use is not counted, of any kind: with traces they still compile when a round ends.
A server does next to nothing else for such a call; where files are read or written the same hooks weigh less.

${markdown(boundTable(bounds))}
`;
}

const s3Heading = "## A share on S3";

/** The section of docs/benchmarks.md about a share on S3, which is measured by itself. */
export function s3Section({ machine, date, command, rounds, bounds }: Pick<Report, "machine" | "date" | "command" | "rounds" | "bounds">): string {
  return `${s3Heading}

Written by \`${command}\` on ${date}, at a ${machine.at(-1) ?? ""}. Medians of ${rounds} rounds. The S3 server is Ceph's radosgw with its objects in memory,
on the same two processors as server, load generator and the proxy between server and bucket, which adds 20 ms to each request: it holds back the first
byte of each answer, and no byte of a body. *Raw* is the AWS SDK in a process of its own through the same proxy in the same round, 16 requests at a time of
16 MiB each, or one at a time of 4 KiB (of 64 KiB for the remote tier); a line is judged against the faster of the SDK as it comes and the SDK's commands
over the connections of our block store. What is written counts from the first WRITE to the end of \`system drain-uploads\`,
with nothing left unstored by the share's status; what is read cold was evicted from the cache on disk and is in no page of memory; the proxy says that it came from the bucket. PUTs are counted by
the proxy. The filesystem store is a second server of the same program.

Cached reads and local writes are compared by turns, A B and B A: reads by a tenth of a second, writes in order by a quarter, others by five, as changes wait so long to be stored and the clock of who is stopped goes on. *Without history* is a third server, whose store has \`history: false\`: what the lag of a second costs is the difference. Who has no turn is stopped (SIGSTOP) with all it has under way, so that each server
flushes, uploads and publishes its history in its own time alone, as under a load that goes on; only \`seqwrite\` begins each turn with nothing unstored, since what is written in order for long
is taken at the bucket's speed. A ratio is of all turns together, its interval the middle 95 % of what as many pairs drawn from these come to. The S3 server and the proxy run on the server's processors;
how much of these they took in the S3 share's turns stands beside.

${markdown(boundTable(bounds))}
${explainedOf(bounds, missedOnS3)}`;
}

/** Why targets are missed, by how the line begins. */
function explainedOf(bounds: readonly Bound[], reasons: Readonly<Record<string, string>>): string {
  const missing = bounds.filter(({ value, most, least }) => value > (most ?? value) || value < (least ?? value));
  const lines = missing.map(({ what }) => {
    const why = Object.entries(reasons).find(([begins]) => what.startsWith(begins))?.[1];
    return `- **${what}**: ${why ?? "not looked into yet."}`;
  });
  return lines.length === 0 ? "" : `\nWhat was missed, and why:\n\n${lines.join("\n")}\n`;
}

const smbHeading = "## SMB 3.1.1, ours against Samba";

export interface SmbReport extends Pick<Report, "machine" | "date" | "command" | "rounds"> {
  /** Of each run; null: 1, sequential data 2. */
  readonly seconds: string | null;
  readonly signed: readonly Row[];
  readonly encrypted: readonly Row[];
}

/** The section of docs/benchmarks.md about SMB. */
export function smbSection({ machine, date, command, rounds, seconds, signed, encrypted }: SmbReport): string {
  const missedHere = explainOverSmb(signed);
  return `${smbHeading}

Written by \`${command}\` on ${date}, at a ${machine.at(-1) ?? ""}. The peer is Debian's Samba 4.17 with its defaults (\`test/bench/samba.ts\`) on the same disk, in
turns with ours; client and servers share the machine, over loopback. 2 connections with 16 requests in flight each, medians of ${rounds} rounds of
${seconds === null ? "1 s (sequential data: 2 s)" : `${seconds} s`} each, after a turn of ${warmSeconds} s of each workload against each server that is not counted: ours is compiled while it runs. Every request and
answer is signed by AES-128-GMAC, and checked. Ours answers CREATE, rename and CLOSE of a deletion only when they are on stable storage, Samba before they are. A listing that the end of a turn cuts short counts by its entries; the files listed were put into Samba's directory with the attributes it gave
one of them, as it takes a quarter of an hour to make them.

${markdown(tableOf(signed))}

What the workloads do: ${signed.map(({ workload }) => `\`${workload.name}\` ${workload.what}`).join("; ")}.

${encrypted.length === 0 ? "" : encryptedPart({ command, date, encrypted })}${missedHere.length === 0 ? "" : `\n${missedOverSmbHeading}${missedHere.join("\n")}\n`}`;
}

function encryptedPart({ command, date, encrypted }: Pick<SmbReport, "command" | "date" | "encrypted">): string {
  return `${encryptedStart} AES-128-GCM instead of signed, by \`${command}\` on ${date}:\n\n${markdown(tableOf(encrypted))}\n`;
}

const missedOverSmbHeading = "What was missed, and why:\n\n";
const encryptedStart = "The same encrypted by";

function explainOverSmb(rows: readonly Row[]): readonly string[] {
  return missesOf(rows).map((name) => `- **${name}**: ${missedOverSmb[name] ?? "not looked into yet."}`);
}

/** A page with these rows in place of those its section about SMB has of the same workloads signed; with the section where it has none. */
export function withSmbRows(text: string, report: SmbReport): string {
  const old = sectionIn(text, smbHeading);
  if (old === "") return withSection(text, smbSection(report));
  const { signed, seconds } = report;
  const note = againNote({ ...report, rows: signed, seconds: `${seconds ?? 1} s (after ${warmSeconds} s of each that are not counted)` });
  const [tables = "", reasons = ""] = old.split(missedOverSmbHeading);
  const at = tables.indexOf(encryptedStart);
  const judged = replaced(withNewRows(at < 0 ? tables : tables.slice(0, at), signed), signed, note);
  const explained = [...explainOverSmb(signed), ...replaced(reasons, signed, note).split("\n").filter((line) => line !== "")];
  const last = explained.length === 0 ? "" : `${missedOverSmbHeading}${explained.join("\n")}\n`;
  const encrypted = report.encrypted.length === 0 ? (at < 0 ? "" : tables.slice(at)) : encryptedPart(report);
  return withSection(text, `${`${judged.trimEnd()}\n\n${encrypted}`.trimEnd()}\n${last === "" ? "" : `\n${last}`}`);
}

/** A table's text with a line, to be replaced, for each workload it has none of yet, and what that does. */
function withNewRows(text: string, rows: readonly Row[]): string {
  const added = rows.map(({ workload }) => workload).filter(({ name }) => !text.includes(`\n| ${name} |`));
  if (added.length === 0) return text;
  const lines = text.split("\n");
  lines.splice(lines.findLastIndex((line) => line.startsWith("| ")) + 1, 0, ...added.map(({ name }) => `| ${name} |`));
  const whats = added.map(({ name, what }) => `; \`${name}\` ${what}`).join("");
  return lines.map((line) => (line.startsWith("What the workloads do:") ? `${line.slice(0, -1)}${whats}.` : line)).join("\n");
}

const wrappersHeading = "## Compression and encryption";

/** The section of docs/benchmarks.md about what compression and encryption cost. */
export function wrappersSection({ machine, date, command, rounds, bounds }: Pick<Report, "machine" | "date" | "command" | "rounds" | "bounds">): string {
  return `${wrappersHeading}

Written by \`${command}\` on ${date}, at a ${machine.at(-1) ?? ""}. Eight shares of one server, on a filesystem store and in a bucket of Ceph's radosgw
on the same two processors; lines of a log are written in order to each in turn, from the first WRITE to the end of \`system drain-uploads\`, in another order each round.
What something costs is the part of the plain share's speed in the same round that is missing: medians of ${rounds} rounds.

On a filesystem store the targets are missed until everything is stored, while until COMMIT, which is what a client waits for, they are about met. A plain pack is never
written again, as the store renames the file it was filled in; one that is compressed or encrypted is read back (2 ms for 16 MiB) and written a second time (8 ms with its
sync). To encrypt 16 MiB takes about 4 ms of the event loop, to compress them about 30 ms of one processor: on two of them that alone is longer than a plain
share takes for everything. A pack can't be framed while it is filled: the seal in an object's head, to which each frame is bound, covers its length and how long each
frame became, and to sync half a frame and fill it up later would encrypt different bytes under one nonce. Into a bucket everything is read and sent anyway.

${markdown(boundTable(bounds))}
`;
}

const postgresHeading = "## Metadata in PostgreSQL";

/** The section of docs/benchmarks.md about metadata in PostgreSQL; its peer is SQLite. */
export function postgresSection({ machine, date, command, rounds, bounds }: Pick<Report, "machine" | "date" | "command" | "rounds" | "bounds">): string {
  return `${postgresHeading}

Written by \`${command}\` on ${date}, at a ${machine.at(-1) ?? ""}. Medians of ${rounds} rounds; the peer is SQLite, in turns with it. A PostgreSQL of its
own with \`fsync\`, on the same disk and processors, over loopback TCP. What is created is answered when it is committed. Detail: PostgreSQL's rounds, from the slowest.

${markdown(boundTable(bounds))}
${explainedOf(bounds, missedInPostgres)}`;
}

const recoveryHeading = "## Checking and recovering a share";

/** The section of docs/benchmarks.md about `fsck` and `recover`. */
export function recoverySection({ machine, date, command, rounds, bounds }: Pick<Report, "machine" | "date" | "command" | "rounds" | "bounds">): string {
  return `${recoveryHeading}

Written by \`${command}\` on ${date}, at a ${machine.at(-1) ?? ""}. Medians of ${rounds} rounds. The check walks names, inodes, extents and packs
of a share on SQLite and asks for the size of each object; no content is read. The recovery is \`dittofs recover\` from a filesystem store, nine tenths of whose files
are in the snapshot and one tenth in changes behind it; it ends when the share is entered into the control plane and was opened once.

${markdown(boundTable(bounds))}
`;
}

/** Sections that are measured and written by themselves, in their order. */
export const sectionHeadings: readonly string[] = [smbHeading, s3Heading, wrappersHeading, controlHeading, telemetryHeading, postgresHeading, recoveryHeading];

/** A section of a page; "" where there is none. */
export function sectionIn(text: string, heading: string): string {
  const from = text.indexOf(`${heading}\n`);
  if (from < 0) return "";
  const to = text.indexOf("\n## ", from);
  return to < 0 ? text.slice(from) : text.slice(from, to + 1);
}

/** A page with this section in place of the one of its heading, or at its end. */
export function withSection(text: string, section: string): string {
  if (section === "") return text;
  const old = sectionIn(text, section.slice(0, section.indexOf("\n")));
  return old === "" ? `${text.trimEnd()}\n\n${section}` : text.replace(old, () => (text.endsWith(old) ? section : `${section}\n`));
}
