import type { jobs } from "#api/contract/routes/server.ts";
import type { Job } from "#control/jobs.ts";
import type { Handlers, Services } from "../handler.ts";
import { type Orders, pageOf } from "../paging.ts";
import { shareNameOf } from "../share-access.ts";
import { jobDetailView, jobView } from "../views.ts";

const orders: Orders<"started_at" | "kind" | "share", Job> = { started_at: (job) => job.startedAt, kind: (job) => job.kind, share: (job) => job.share };

export function jobsHandlers({ runtime }: Services) {
  return {
    list: ({ query }) => {
      const share = query.share === undefined ? null : shareNameOf(query.share);
      const wanted = runtime.jobs.list().filter((job) => (query.state === undefined || job.state === query.state) && (share === null || job.share === share));
      return { body: pageOf(wanted, query, orders, jobView) };
    },
    show: ({ params }) => ({ body: jobDetailView(runtime.jobs.get(params.id)) }),
    cancel: ({ params }) => void runtime.jobs.cancel(params.id),
  } satisfies Handlers<typeof jobs>;
}
