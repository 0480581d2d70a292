import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { Keyring, openFilesystemBlocks, openFramedBlocks, openMemoryBlocks } from "#blocks/index.ts";
import { checkS3, openS3Blocks } from "#blocks/s3/index.ts";
import type { BlockStore } from "#model/block-store.ts";
import { beforeAll, describe, test } from "bun:test";
import { masterKeys } from "../support/master-keys.ts";
import { missingRadosgw, s3StartMsMax, sharedS3 } from "../support/radosgw.ts";
import { blocksContract } from "./blocks.ts";
import { readsNow } from "./reads-now.ts";

interface Mode {
  readonly compress: boolean;
  readonly encrypt: boolean;
  readonly acceptPlain: boolean;
}

const modes: Readonly<Record<string, Mode>> = {
  compressed: { compress: true, encrypt: false, acceptPlain: false },
  encrypted: { compress: false, encrypt: true, acceptPlain: false },
  "compressed and encrypted": { compress: true, encrypt: true, acceptPlain: false },
  "encrypted, with plain objects from before": { compress: true, encrypt: true, acceptPlain: true },
  "no longer compressed or encrypted": { compress: false, encrypt: false, acceptPlain: false },
};

function framed(blocks: BlockStore, mode: Mode): BlockStore {
  const keyPrefix = "0123456789abcdef/";
  const keyring = new Keyring({ blocks, keyPrefix, masters: masterKeys("first"), mayBegin: true, random: systemRandom });
  return openFramedBlocks({ blocks, keyPrefix, ...mode, keyring, clock: systemClock, random: systemRandom });
}

for (const [name, mode] of Object.entries(modes)) {
  blocksContract({ name: `memory, ${name}`, open: async () => framed(openMemoryBlocks(), mode), keeps: false, readsNow: true });
  blocksContract({ name: `filesystem, ${name}`, open: async (directory) => framed(await openFilesystemBlocks({ directory: join(directory, "store") }), mode), keeps: true, readsNow });
}

if (missingRadosgw === null) {
  beforeAll(async () => void (await sharedS3()), s3StartMsMax);
  const buckets = new Map<string, string>();
  const open = async (directory: string) => {
    const server = await sharedS3();
    const bucket = buckets.get(directory) ?? server.bucketName();
    buckets.set(directory, bucket);
    const options = { bucket, endpoint: server.endpoint, credentials: server.credentials };
    await checkS3({ ...options, createBucket: true });
    return framed(await openS3Blocks(options), modes["compressed and encrypted"] as Mode);
  };
  blocksContract({ name: "S3, compressed and encrypted", open, keeps: true, readsNow: false });
} else {
  // Skipped without the S3 server: the reason stands in the name.
  describe.skip(`block store, framed S3: ${missingRadosgw}`, () => test("all of it", () => {}));
}
