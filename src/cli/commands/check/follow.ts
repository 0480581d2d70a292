import { ConnectError } from "#api/client/index.ts";
import { contract, type schemas } from "#api/contract/index.ts";
import { ExitStatus } from "../../ports.ts";
import { Follower } from "../../progress.ts";
import { type Call, CommandFailure } from "../../remote/index.ts";
import { printable } from "../../table.ts";

/** How often a job is asked how far it is. */
const pollMs = 300;

/** Follows a job of the server to its end. */
export async function follow(call: Call, begun: schemas.Job): Promise<schemas.JobDetail> {
  const follower = new Follower(call);
  try {
    for (;;) {
      const job = await call
        .session()
        .call(contract.jobs.show, { params: { id: begun.id } })
        .catch((error: unknown) => gone(error, begun));
      if (job.state !== "running") return job;
      follower.tell(job.progress);
      await call.context.wait(pollMs);
    }
  } finally {
    follower.end();
  }
}

/** The server answered a moment ago: that it doesn't speak this or that is not what is wrong. Jobs end with it; where it goes on, so do they. */
function gone(error: unknown, { id, kind }: schemas.Job): never {
  if (!(error instanceof ConnectError)) throw error;
  throw new CommandFailure(ExitStatus.unreachable, `the server at ${error.url} does not answer any more; how far the ${kind} came is not known`, `If the server ended, the ${kind} ended with it: start the server and give the same command again. If only the connection broke, it goes on: dittofs job show ${id}`);
}

/** One finding as a line: what, where, and whether it was put right. */
function line(finding: schemas.JobFinding): string {
  const { path, file, pack, key, from, to, repaired, severity, kind, message } = finding;
  const where = path ?? (file !== null ? `file ${file}` : (key ?? (pack !== null ? `pack ${pack}` : "share")));
  const range = from === null || to === null ? "" : ` [${from}..${to}]`;
  return printable(`${repaired ? "repaired" : severity}: ${where}${range}: ${kind}: ${message}`);
}

/** Prints what a job came to; the exit status says whether damage is left. */
export function conclude(call: Call, job: schemas.JobDetail, said: (result: Readonly<Record<string, number | boolean>>) => string): ExitStatus {
  if (call.format !== "table") call.show(job);
  else {
    for (const finding of job.findings) call.terminal.out(`${line(finding)}\n`);
    if (job.findings_total > job.findings.length) call.terminal.out(`and ${job.findings_total - job.findings.length} more\n`);
    if (job.result !== null) call.terminal.out(`${printable(said(job.result))}\n`);
  }
  if (job.state === "failed") call.terminal.err(`error: ${printable(job.error ?? "it failed")}\n`);
  if (job.state === "cancelled") call.terminal.err("error: it was cancelled before its end\n");
  if (job.state !== "done") return ExitStatus.failed;
  const left = Number(job.result?.["damaged"] ?? 0) - Number(job.result?.["repaired"] ?? 0);
  return left > 0 ? ExitStatus.damaged : ExitStatus.ok;
}
