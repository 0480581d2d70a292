import { access, constants, mkdir, open, readdir, readFile, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import type { Config } from "#config/index.ts";
import type { StoreHealth, StorePlan } from "#control/index.ts";
import { needsFence, withoutFence } from "./fence.ts";
import { unknownType } from "./open-blocks.ts";
import type { ShareSurroundings } from "../share/open-share.ts";
import { masterKeysOf } from "./key-file.ts";
import { rootOf } from "../share/places.ts";
import { s3OptionsOf } from "./s3.ts";

/** A probe as long as a page: enough to see that a disk takes bytes and gives them back. */
const probeBytes = 4096;
/** No probe takes so long. */
const probeMsMax = 10 * 60_000;
/** A disk that is silent for so long is not one to keep files on. */
const answerMsMax = 10_000;

/** Tries a store as a share would open it, without leaving anything but its directory. */
export async function tryStore(config: Config, plan: StorePlan, writing: boolean, around: Pick<ShareSurroundings, "clock" | "random" | "logger" | "fences">): Promise<StoreHealth> {
  const { clock } = around;
  const begun = clock.monotonicMs();
  const late = Promise.withResolvers<never>();
  const timer = clock.after(answerMsMax, () => late.reject(new Error(`no answer within ${answerMsMax / 1000} s`)));
  const tried = probe(config, plan, writing, around);
  tried.catch(() => {});
  let error: string | null = null;
  try {
    await Promise.race([tried, late.promise]);
  } catch (thrown) {
    error = inWords(thrown);
  } finally {
    timer.cancel();
  }
  const latencyMs = Math.round((clock.monotonicMs() - begun) * 100) / 100;
  const now = clock.now();
  return { healthy: error === null, error, latencyMs: error === null ? latencyMs : null, checkedAt: now.sec * 1000 + Math.floor(now.nsec / 1e6) };
}

async function probe(config: Config, plan: StorePlan, writing: boolean, around: Pick<ShareSurroundings, "clock" | "random" | "logger" | "fences">): Promise<void> {
  // The file must be there, in order and private before anything is encrypted with what it says.
  masterKeysOf(plan);
  if (plan.type === "memory") return;
  if (plan.type === "s3") {
    const options = s3OptionsOf(plan, around);
    // One try: whoever asks wants to know how it is now.
    const { checkS3 } = await import("#blocks/s3/index.ts");
    const { conditionalPut } = await checkS3({ ...options, createBucket: writing && options.createBucket, writing, limits: { attemptsMax: 1 } });
    around.fences.note(plan, conditionalPut);
    if (needsFence(plan) && around.fences.lacks(plan)) throw new Error(withoutFence(plan));
    return;
  }
  if (plan.type === "postgres") {
    const { tryPostgres } = await import("./postgres.ts");
    return await tryPostgres(plan, writing, around);
  }
  if (plan.type !== "filesystem" && plan.type !== "sqlite") throw new Error(unknownType(plan));
  await probeDirectory(rootOf(config, plan) ?? join(config.data_dir, "shares"), around);
}

/** Makes the directory, and writes, syncs, reads and deletes a file in it. */
async function probeDirectory(directory: string, { clock, random }: { readonly clock: Clock; readonly random: Random }): Promise<void> {
  const there = await stat(directory).catch(() => null);
  if (there?.isDirectory() === false) throw new Error(`${directory} is a file, not a directory`);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await access(directory, constants.R_OK | constants.W_OK | constants.X_OK);
  await removeLeftProbes(directory, clock);
  const bytes = random.bytes(probeBytes);
  const path = join(directory, `.probe-${Buffer.from(random.bytes(8)).toString("hex")}`);
  try {
    const file = await open(path, "wx", 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    if (!(await readFile(path)).equals(bytes)) throw new Error(`${directory} gives back other bytes than were written; its disk or file system is broken`);
  } finally {
    await rm(path, { force: true });
  }
}

/** What a server that was killed while it tried had no time to remove. */
async function removeLeftProbes(directory: string, clock: Clock): Promise<void> {
  const nowMs = clock.now().sec * 1000;
  for (const name of await readdir(directory)) {
    if (!/^\.probe-[0-9a-f]{16}$/.test(name)) continue;
    const path = join(directory, name);
    const found = await stat(path).catch(() => null);
    // Another server may be trying the same directory.
    if (found !== null && nowMs - found.mtimeMs > probeMsMax) await rm(path, { force: true }).catch(() => {});
  }
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: "this server's user may not write there; change its owner or mode",
  EROFS: "the file system is mounted read-only",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  ENOTDIR: "a part of that path is a file",
  ENOENT: "it can't be made",
};

function inWords(error: unknown): string {
  const { code = "", message, path } = error as NodeJS.ErrnoException;
  const reason = reasons[code];
  return reason === undefined ? message : `${path === undefined ? "" : `${path.includes("/.probe-") ? dirname(path) : path}: `}${reason}`;
}
