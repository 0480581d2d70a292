import { afterEach, expect, test } from "bun:test";
import { cpSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { recoverShare } from "#app/recover.ts";
import type { RecoverRequest } from "#cli/ports.ts";
import { loadConfig } from "#config/index.ts";
import type { FileContent } from "#model/file-content.ts";
import { FsError } from "#model/fs-error.ts";
import { rootId } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { systemClock } from "#base/clock.ts";
import { bytesOf, make } from "../../support/damaged-share.ts";
import { until } from "../../support/wait.ts";
import { desired, runtimeOn, sharePlan, storePlan, temporary } from "./kit.ts";

const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

test("what was written last and is not in the store is named before anything is taken, and left out only when that is said", async () => {
  const dataDir = temporary();
  const path = join(dataDir, "store");
  const { runtime } = runtimeOn(dataDir, { "cache.flush_age": "1h" });
  stops.push(() => runtime.stopShares(5000));
  await runtime.reconcile(desired([sharePlan("/export", { blocks: storePlan("block", "filesystem", { config: { path, history: true } }) })]));
  // biome-ignore lint: a test looks behind the runtime's back
  const open = (runtime as any).open.get("/export") as { readonly share: { readonly store: MetadataStore; readonly content: FileContent } };
  const { store, content } = open.share;
  const ids = [await make(open.share as never, rootId, "whole", FileType.regular), await make(open.share as never, rootId, "cut", FileType.regular)];
  for (const id of ids) {
    const bytes = bytesOf(Number(id), 300_000);
    expect(content.write((await store.inode(id)) as Inode, 0, [bytes], bytes.length, systemClock.now())).not.toBeInstanceOf(FsError);
  }
  const instance = Buffer.from(store.identity.instance).toString("hex");
  const bucket = join(temporary(), "store");
  const elsewhere = temporary();
  const loaded = loadConfig({ machine: { memoryBytes: 2 ** 33, dataHome: "/home/d", configHome: "/home/c" }, environment: {}, configPath: null, flags: new Map([["data_dir", elsewhere]]) });
  if (!loaded.ok) throw new Error("no configuration");
  const request: RecoverRequest = { type: "filesystem", config: { path: bucket }, storeName: "recovered", share: null, name: null, dryRun: true, acceptLoss: false };
  const whole = await until("the history to hold it all", 10_000, async () => {
    rmSync(bucket, { recursive: true, force: true });
    cpSync(path, bucket, { recursive: true });
    // Until there is a snapshot it is refused.
    const found = await recoverShare(loaded, request, () => {}).catch(() => null);
    return found?.unstoredRecords === ids.length ? found : null;
  });
  expect(whole).toMatchObject({ filesWithLoss: 0 });
  for (const pack of packsIn(bucket, instance)) rmSync(pack);
  await expect(recoverShare(loaded, request, () => {})).rejects.toThrow("what was written last to 2 files lies in objects that the block store has not");
  await expect(recoverShare(loaded, { ...request, dryRun: false }, () => {})).rejects.toThrow("--accept-loss");
  expect(await recoverShare(loaded, { ...request, acceptLoss: true }, () => {})).toMatchObject({ filesWithLoss: 2 });
});

/** Objects of a share that are neither history nor the list of shares. */
function packsIn(bucket: string, instance: string): string[] {
  return readdirSync(join(bucket, "export", "objects"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes("history") && !entry.parentPath.includes("shares") && join(entry.parentPath, entry.name).includes(instance))
    .map((entry) => join(entry.parentPath, entry.name));
}
