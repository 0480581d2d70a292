import { expect } from "bun:test";
import { cpSync } from "node:fs";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { type ContentOptions, openContent } from "#cache/index.ts";
import { openMemoryStore } from "#metadata/index.ts";
import type { BlockStore } from "#model/block-store.ts";
import { FsError } from "#model/fs-error.ts";
import { type FileId, rootId } from "#model/ids.ts";
import { FileType, Inode, newObject } from "#model/inode.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { temporary as temporaryNamed } from "../../support/temporary.ts";

/** What tests of file content share: a content over stores, a client of it, and a model to compare with. */

const comebacksMax = 20;

export function temporary(): string {
  return temporaryNamed("content");
}

/** What a killed process left in a directory, where this one, which is not dead, may still delete a file it has begun to. */
export function copyOf(directory: string): string {
  for (let again = 0; ; again++) {
    const copy = temporary();
    try {
      cpSync(directory, copy, { recursive: true });
      return copy;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || again >= comebacksMax) throw error;
    }
  }
}

export function inodeOf(id: number): Inode {
  return newObject(systemClock.now(), { id: id as FileId, type: FileType.regular, mode: 0o644, change: 1, attributeVersion: 1, generation: 1 });
}

export async function open(store: MetadataStore, blocks: BlockStore, directory: string, options: Partial<ContentOptions> = {}) {
  return openContent({
    store,
    blocks,
    directory,
    durability: "local",
    ephemeral: false,
    cacheBytes: 4 * 1024 * 1024,
    segmentBytes: 4 * 1024 * 1024,
    limits: { dirtyBytesMax: 2 * 1024 * 1024, unstoredBytesMax: 64 * 1024 * 1024, flushAgeMs: 20, flushBytes: 512 * 1024 },
    garbage: { graceMs: 0, intervalMs: 50 },
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    fatal: (error) => {
      throw error;
    },
    ...options,
  });
}

export type Content = Awaited<ReturnType<typeof open>>["content"];

/** What vfs does around content: the current inode is the stored row under what content knows better. */
export class Client {
  private readonly store: MetadataStore;
  private readonly content: Content;
  constructor(store: MetadataStore, content: Content) {
    this.store = store;
    this.content = content;
  }
  async inode(id: FileId): Promise<Inode> {
    const row = await this.store.inode(id);
    if (row === null) throw new Error(`no inode ${id}`);
    return this.content.overlay(row);
  }
  async write(id: FileId, offset: number, bytes: Uint8Array, cutAt: number): Promise<void> {
    const admitted = await this.content.admit(bytes.length);
    expect(admitted).toBeNull();
    const payload = cutAt > 0 && cutAt < bytes.length ? [bytes.subarray(0, cutAt), bytes.subarray(cutAt)] : [bytes];
    const written = this.content.write(await this.inode(id), offset, payload, bytes.length, systemClock.now());
    expect(written).toBeInstanceOf(Inode);
  }
  /** Clones a range step by step; gives what the target then is by the models. */
  async clone(id: FileId, from: number, length: number, target: FileId, at: number, source: Uint8Array, before: Uint8Array): Promise<Uint8Array> {
    const model = grown(before, at + length).slice();
    for (let done = 0; done < length; ) {
      const references = await this.content.references(await this.inode(id), from + done, length - done);
      if (references instanceof FsError) throw new Error(references.code);
      expect(references.length).toBeGreaterThan(0);
      const cloned = this.content.clone(await this.inode(target), at + done, references, systemClock.now());
      references.release();
      expect(cloned).toBeInstanceOf(Inode);
      // A file cloned into itself is read as the steps before left it.
      model.set((id === target ? model : source).slice(from + done, from + done + references.length), at + done);
      done += references.length;
    }
    return model;
  }
  async read(id: FileId, offset: number, length: number): Promise<Uint8Array> {
    let read = await this.content.read(await this.inode(id), offset, length);
    // The memory was too small for all who wanted some of it just then: whoever is told to come back does.
    for (let again = 0; read === FsError.of("jukebox") && again < comebacksMax; again++) {
      await new Promise<void>((resolve) => systemClock.atTurnEnd(resolve));
      read = await this.content.read(await this.inode(id), offset, length);
    }
    if (read instanceof FsError) throw new Error(read.code);
    const bytes = Buffer.concat(read.slices as Uint8Array[]);
    expect(bytes.length).toBe(read.length);
    read.release();
    return bytes;
  }
}

/** Where a model has bytes that are not zero: what tests write has no zeros. */
export function rangesOf(model: Uint8Array, offset: number, end: number): { start: number; end: number }[] {
  const ranges: { start: number; end: number }[] = [];
  for (let at = offset; at < Math.min(end, model.length); at++) {
    if (model[at] === 0) continue;
    const last = ranges[ranges.length - 1];
    if (last !== undefined && last.end === at) last.end++;
    else ranges.push({ start: at, end: at + 1 });
  }
  return ranges;
}

export const sizeMax = 1024 * 1024;

export function grown(model: Uint8Array, size: number): Uint8Array {
  if (size <= model.length) return model;
  const larger = new Uint8Array(size);
  larger.set(model);
  return larger;
}

export async function compare(client: Client, id: FileId, model: Uint8Array): Promise<void> {
  expect((await client.inode(id)).size).toBe(model.length);
  const bytes = await client.read(id, 0, model.length + 10);
  if (Buffer.compare(bytes, model) !== 0) {
    const at = bytes.findIndex((value, index) => value !== model[index]);
    throw new Error(`file ${id} of ${model.length} bytes differs at ${at}: ${bytes[at]} where ${model[at]} belongs`);
  }
}

/** A memory store with these files, linked in the root. */
export async function storeWith(ids: readonly FileId[]): Promise<MetadataStore> {
  const store = await openMemoryStore({ clock: systemClock, random: systemRandom });
  for (const id of ids) await addFile(store, id);
  return store;
}

export async function addFile(store: MetadataStore, id: FileId): Promise<void> {
  const made = await store.apply({
    conditions: [],
    changes: [
      { do: "insertInode", inode: inodeOf(id) },
      { do: "insertDirent", parent: rootId, name: `f${id}`, child: id },
    ],
  });
  expect(made.applied).toBe(true);
}

/** Takes a file's only link and tells content, as vfs does once the removal is durable. */
export async function removeFile(store: MetadataStore, content: Content, id: FileId): Promise<void> {
  await store.apply({
    conditions: [],
    changes: [
      { do: "deleteDirent", parent: rootId, name: `f${id}` },
      { do: "addLinks", id, delta: -1, at: systemClock.now() },
    ],
  });
  content.forget(id);
  await store.apply({ conditions: [], changes: [{ do: "freeOrphan", id, extentsMax: 1_000_000 }] });
}
