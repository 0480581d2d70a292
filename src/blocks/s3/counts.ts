import { Durations } from "#telemetry/distribution.ts";

/** What is asked of a bucket, by its name there: each costs what the provider says. */
export const s3Actions = [
  "PutObject",
  "GetObject",
  "HeadObject",
  "DeleteObjects",
  "ListObjectsV2",
  "CreateMultipartUpload",
  "UploadPart",
  "CompleteMultipartUpload",
  "AbortMultipartUpload",
  "ListMultipartUploads",
  "other",
] as const;
export type S3Action = (typeof s3Actions)[number];

/** How one request over the wire ended. */
export const s3Results = ["ok", "not_found", "taken", "throttled", "refused", "error", "unreachable"] as const;
export type S3Result = (typeof s3Results)[number];

/** Requests of one action since the store was opened, each attempt by itself. */
class S3ActionCounts {
  readonly results: Record<S3Result, number> = { ok: 0, not_found: 0, taken: 0, throttled: 0, refused: 0, error: 0, unreachable: 0 };
  readonly durations: Durations = new Durations();
}

/** What a store's client did on the wire. */
export class S3Counts {
  readonly actions: Readonly<Record<S3Action, S3ActionCounts>> = Object.fromEntries(s3Actions.map((action) => [action, new S3ActionCounts()])) as Record<S3Action, S3ActionCounts>;
  /** Attempts after one that failed. */
  retries = 0;

  get throttled(): number {
    return s3Actions.reduce((sum, action) => sum + this.actions[action].results.throttled, 0);
  }

  /** `status` 0: no answer came. */
  count(action: S3Action, status: number, ms: number): void {
    const counts = this.actions[action];
    counts.results[resultOf(status)]++;
    counts.durations.add(ms);
  }
}

/** Which action a request is (Amazon S3 API Reference, Actions). */
export function actionOf(method: string, query: Readonly<Record<string, unknown>> = {}): S3Action {
  switch (method) {
    case "PUT":
      return "partNumber" in query ? "UploadPart" : "PutObject";
    case "GET":
      return "list-type" in query ? "ListObjectsV2" : "uploads" in query ? "ListMultipartUploads" : "GetObject";
    case "HEAD":
      return "HeadObject";
    case "POST":
      return "uploads" in query ? "CreateMultipartUpload" : "uploadId" in query ? "CompleteMultipartUpload" : "delete" in query ? "DeleteObjects" : "other";
    case "DELETE":
      return "uploadId" in query ? "AbortMultipartUpload" : "other";
    default:
      return "other";
  }
}

function resultOf(status: number): S3Result {
  if (status === 0) return "unreachable";
  if (status < 300) return "ok";
  switch (status) {
    case 404:
      return "not_found";
    case 412:
      return "taken";
    case 429:
    case 503:
      return "throttled";
    case 401:
    case 403:
      return "refused";
    default:
      return "error";
  }
}
