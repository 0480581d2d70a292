import { expect } from "bun:test";
import type { ServerRuntime } from "#app/server/runtime.ts";
import type { Job, SharePlan } from "#control/index.ts";
import { FsError } from "#model/fs-error.ts";
import { type FileId, rootId } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { InodeFlag, streamsOf } from "#model/inode-flags.ts";
import { bytesOf, make, makeStream, write } from "../../../support/damaged-share.ts";
import { desired } from "../kit.ts";

/** A share with files of a runtime, moved and looked at from within. */

type Inside = { readonly store: Parameters<typeof make>[0]["store"]; readonly content: Parameters<typeof write>[0]["content"] };

/** What a test reaches of a share that a runtime serves. */
export function inside(runtime: ServerRuntime, name: string): Inside {
  const { open } = runtime as unknown as { readonly open: ReadonlyMap<string, { readonly share: Inside }> };
  return (open.get(name) as { readonly share: Inside }).share;
}

/** A move to its end, whichever that is; `commit` is the control plane's part of it. */
export async function moved(runtime: ServerRuntime, to: SharePlan, commit: () => Promise<void>): Promise<Job> {
  const { id } = runtime.jobs.start({ kind: "migrate", share: to.name, plan: to, commit }, "test");
  return await runtime.jobs.ended(id);
}

export function migrated(runtime: ServerRuntime, to: SharePlan): Promise<Job> {
  return moved(runtime, to, async () => expect(await runtime.reconcile(desired([to]))).toEqual([]));
}

export const files = 12;

/** Files that have a stream, each in a pack of its own as the files are. */
const hasStream = (i: number): boolean => i < files && i % 4 === 0;
export const packs = files + files / 4;

export async function filled(runtime: ServerRuntime, name: string): Promise<FileId[]> {
  const share = inside(runtime, name) as never;
  const ids: FileId[] = [];
  for (let i = 0; i < files; i++) {
    const id = await make(share, rootId, `f${i}`, FileType.regular);
    await write(share, id, bytesOf(i, 90_000 + i));
    if (hasStream(i)) await makeStream(share, id, "Stream", i);
    ids.push(id);
  }
  return ids;
}

export async function contentOf(runtime: ServerRuntime, name: string, id: FileId): Promise<Buffer> {
  const { store, content } = inside(runtime, name);
  const inode = content.overlay((await store.inode(id)) as Inode);
  const read = await content.read(inode, 0, inode.size);
  if (read instanceof FsError) throw new Error(read.code);
  const bytes = Buffer.concat(read.slices.map((slice) => Buffer.from(slice)));
  read.release();
  return bytes;
}

export async function expectWhole(runtime: ServerRuntime, name: string, ids: readonly FileId[]): Promise<void> {
  const { store } = inside(runtime, name);
  for (const [i, id] of ids.entries()) {
    expect(Buffer.compare(await contentOf(runtime, name, id), bytesOf(i, 90_000 + i))).toBe(0);
    if (!hasStream(i)) continue;
    const [stream] = await store.direntsFolding(streamsOf(id), "stream");
    expect(Buffer.compare(await contentOf(runtime, name, stream?.child as FileId), bytesOf(i, 1000))).toBe(0);
    expect(Buffer.compare((await store.xattr(id, "security")) as Uint8Array, bytesOf(i, 200))).toBe(0);
    expect((await store.inode(id))?.flags).toBe(InodeFlag.hasStreams | InodeFlag.hasSecurity | InodeFlag.hasEas);
  }
}
