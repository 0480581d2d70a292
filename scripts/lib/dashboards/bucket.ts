import { type Dashboard, ofShare, Unit } from "./grafana.ts";
import { latency, lines, rate, spread, width } from "./panels.ts";

const failing = 'result=~"unavailable|refused|full|error"';
const requests = `dittofs_blockstore_requests_total{${ofShare}}`;

/** Block stores, and buckets request by request. */
export const bucket: Dashboard = {
  uid: "dittofs-s3",
  title: "DittoFS / Block stores and S3",
  description: "What is asked of block stores, what came of it, and of buckets each request over the wire.",
  rows: [
    {
      title: "Block stores",
      panels: [
        lines("Requests", "Each once however often it was tried.", Unit.perSecond, [{ expr: rate(["operation", "store"], requests), legend: "{{operation}} {{store}}" }], { stacked: true }),
        lines("Requests that failed", "After all tries: what is lost by this is time, and nothing else.", Unit.perSecond, [{ expr: rate(["operation", "result", "store"], `dittofs_blockstore_requests_total{${ofShare}, ${failing}}`), legend: "{{operation}} {{result}} {{store}}" }]),
        latency("Latency by operation", "With all tries.", ["operation", "store"], "dittofs_blockstore_request_duration_seconds", ofShare),
        lines("Bytes", "Of objects, as they are in the store.", Unit.bytesPerSecond, [{ expr: rate(["direction", "store"], `dittofs_blockstore_bytes_total{${ofShare}}`), legend: "{{direction}} {{store}}" }]),
        lines("Failing", "Part of the requests that failed.", Unit.ratio, [{ expr: `${rate(["store"], `dittofs_blockstore_requests_total{${ofShare}, ${failing}}`)} / ${rate(["store"], requests)}`, legend: "{{store}}" }], { max: 1, width: width.third }),
        lines("Tried again", "Tries after one that failed.", Unit.perSecond, [{ expr: rate(["store"], `dittofs_blockstore_retries_total{${ofShare}}`), legend: "{{store}}" }], { width: width.third }),
        lines("Throttled", "Answers that ask for fewer requests.", Unit.perSecond, [{ expr: rate(["store"], `dittofs_blockstore_throttled_total{${ofShare}}`), legend: "{{store}}" }], { width: width.third }),
      ],
    },
    {
      title: "S3, request by request",
      panels: [
        lines("Requests by action", "What providers charge for.", Unit.perSecond, [{ expr: rate(["action"], `dittofs_s3_requests_total{${ofShare}}`), legend: "{{action}}" }], { stacked: true }),
        lines("Answers other than ok", "By action; HeadObject is not_found for each new object where the bucket knows no conditional puts.", Unit.perSecond, [{ expr: rate(["action", "result"], `dittofs_s3_requests_total{${ofShare}, result!="ok"}`), legend: "{{action}} {{result}}" }]),
        latency("Latency by action", "Of one try, the wait for a connection included.", ["action"], "dittofs_s3_request_duration_seconds", ofShare),
        spread("Latency of all", "How many requests a second took how long.", "dittofs_s3_request_duration_seconds", ofShare),
        lines("Uploads", "On their way, and how many may be: the limit falls when the bucket throttles.", Unit.number, [
          { expr: `dittofs_s3_uploads{${ofShare}}`, legend: "{{store}} {{share}}" },
          { expr: `dittofs_s3_uploads_limit{${ofShare}}`, legend: "at most {{store}} {{share}}" },
        ]),
        lines("Requests an hour", "To reckon what they cost.", Unit.number, [{ expr: `sum by (action) (increase(dittofs_s3_requests_total{${ofShare}}[1h]))`, legend: "{{action}}" }]),
      ],
    },
  ],
};
