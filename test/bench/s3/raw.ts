/**
 * What the S3 server gives a client that does nothing else: objects put and got by the SDK, so many at a time. A process of its own,
 * as the server under test is; a job is a line of JSON on stdin, its outcome one on stdout.
 */
import { GetObjectCommand, PutObjectCommand, S3Client, DeleteObjectsCommand } from "@aws-sdk/client-s3";
import { createInterface } from "node:readline";

export interface RawPlace {
  readonly endpoint: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** `put` and `get` move `count` objects of `bytes`, `parallel` at a time; `get` of those that were put, `bytes` from the beginning of each. */
export interface RawJob {
  readonly what: "put" | "get" | "delete";
  readonly name: string;
  readonly count: number;
  readonly bytes: number;
  readonly parallel: number;
}

export interface RawOutcome {
  readonly seconds: number;
  readonly p50Ms: number;
}

async function inParallel(count: number, parallel: number, one: (i: number) => Promise<void>): Promise<RawOutcome> {
  const tookMs: number[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++) {
      const began = performance.now();
      await one(i);
      tookMs.push(performance.now() - began);
    }
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: parallel }, worker));
  tookMs.sort((a, b) => a - b);
  return { seconds: (performance.now() - began) / 1000, p50Ms: tookMs[tookMs.length >> 1] ?? Number.NaN };
}

function clientOf({ endpoint, accessKeyId, secretAccessKey }: RawPlace): S3Client {
  return new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
}

async function run(client: S3Client, Bucket: string, body: Buffer, { what, name, count, bytes, parallel }: RawJob): Promise<RawOutcome> {
  const key = (i: number) => `raw/${name}-${i}`;
  switch (what) {
    case "put":
      return await inParallel(count, parallel, async (i) => void (await client.send(new PutObjectCommand({ Bucket, Key: key(i), Body: body.subarray(0, bytes) }))));
    case "get":
      return await inParallel(count, parallel, async (i) => {
        const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: key(i), Range: `bytes=0-${bytes - 1}` }));
        const got = (await Body?.transformToByteArray())?.byteLength ?? 0;
        if (got !== bytes) throw new Error(`${got} bytes came of ${bytes}`);
      });
    default:
      return await inParallel(1, 1, async () => {
        await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Quiet: true, Objects: Array.from({ length: count }, (_, i) => ({ Key: key(i) })) } }));
      });
  }
}

if (import.meta.main) {
  const place = JSON.parse(process.argv[2] ?? "") as RawPlace;
  const client = clientOf(place);
  const body = Buffer.alloc(16 * 2 ** 20);
  for (let at = 0, word = 1; at < body.length; at += 4) body.writeUInt32LE((word = (Math.imul(word, 1664525) + 1013904223) >>> 0), at);
  for await (const line of createInterface(process.stdin)) console.log(JSON.stringify(await run(client, place.bucket, body, JSON.parse(line) as RawJob)));
  process.exit(0);
}
