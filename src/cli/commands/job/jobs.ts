import { contract } from "#api/contract/index.ts";
import { figures } from "../../progress.ts";
import { lists, shows, type Verb } from "../../remote/index.ts";

const id = { name: "<id>", help: "the job, as dittofs job list shows it" } as const;

export const list = lists({ route: contract.jobs.list, summary: "List long work of the server: what is under way, and what ended lately.", examples: ["dittofs job list"] }, [
  ["ID", (job) => job.id],
  ["KIND", (job) => job.kind],
  ["SHARE", (job) => job.share],
  ["STATE", (job) => job.state],
  ["PROGRESS", ({ progress, state }) => (state === "running" ? figures(progress) : null)],
  ["FINDINGS", (job) => job.findings_total],
  ["STARTED", (job) => job.started_at],
]);

export const show = shows({ route: contract.jobs.show, summary: "Show a job with what it found.", examples: ["dittofs job show 0123456789abcdef -o json"], args: [id] });

export const cancel: Verb = {
  name: "cancel",
  route: contract.jobs.cancel,
  summary: "End a job before it is done. What it did stays.",
  examples: ["dittofs job cancel 0123456789abcdef"],
  args: [id],
  async run(call) {
    await call.session().call(contract.jobs.cancel, { params: call.params() });
    call.done(`asked job ${call.argument("id")} to end`);
  },
};
