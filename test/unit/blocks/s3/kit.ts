import { checkS3, openS3Blocks, type S3Blocks, type S3Limits, type S3Options } from "#blocks/s3/index.ts";
import { type FaultyProxy, faultyProxy, type Plan } from "../../../support/faulty-proxy.ts";
import { type S3Server, sharedS3 } from "../../../support/radosgw.ts";

export interface World {
  readonly server: S3Server;
  readonly proxy: FaultyProxy;
  /** Through the proxy. */
  readonly options: S3Options;
  readonly store: S3Blocks;
  /** The same objects, past the proxy. */
  readonly direct: S3Blocks;
}

/** Waits that end soon, so that what is tried again is done within a test. */
export const soon: Partial<S3Limits> = { backoffMsMin: 2, backoffMsMax: 20 };

/** A bucket of its own, and a store on it through a proxy that does as `plan` says from when the bucket is there. */
export async function withWorld(plan: Plan, run: (world: World) => Promise<void>, more: Partial<S3Options> = {}): Promise<void> {
  const server = await sharedS3();
  const proxy = await faultyProxy(server.port);
  const options: S3Options = { bucket: server.bucketName(), credentials: server.credentials, endpoint: proxy.endpoint, ...more, limits: { ...soon, ...more.limits } };
  await checkS3({ ...options, endpoint: server.endpoint, limits: {}, createBucket: true });
  const direct = await openS3Blocks({ ...options, endpoint: server.endpoint });
  const store = await openS3Blocks(options);
  // Its look for leftovers is no request of the test's.
  await store.tidied;
  (proxy.requests as unknown[]).length = 0;
  proxy.plan = plan;
  try {
    await run({ server, proxy, options, store, direct });
  } finally {
    await store.close();
    await direct.close();
    await proxy.close();
  }
}

/** The first request of a kind gets this, all others pass. */
export function once(method: string, fault: ReturnType<Plan>, holds: (target: string) => boolean = () => true): Plan {
  let done = false;
  return (request) => {
    if (done || request.method !== method || !holds(request.target)) return { kind: "pass" };
    done = true;
    return fault;
  };
}

export function puts(proxy: FaultyProxy, method = "PUT"): number {
  return proxy.requests.filter((request) => request.method === method).length;
}

/** What a promise rejects with; `expect(…).rejects` holds the event loop up while it waits, and uploads take seconds then. */
export async function failureOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error("it did not fail");
}
