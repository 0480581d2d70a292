import { expect } from "bun:test";
import { openMemoryStore } from "#metadata/index.ts";
import type { ApplyResult, ChangeSet } from "#model/change-set.ts";
import type { Credentials } from "#model/credentials.ts";
import { FsError, type FsCode } from "#model/fs-error.ts";
import { AccessLevel } from "#model/identity.ts";
import { type FileId, rootId } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import type { AppliedListener, MetadataStore } from "#model/metadata-store.ts";
import { createShare, type CreateShareOptions } from "#vfs/create-share.ts";
import { type LeaseHolder, OpenFile, type OpenRequest, type OpenTable, Sharing } from "#vfs/opens/index.ts";
import type { Share } from "#vfs/share.ts";
import { policyOf, superuser } from "../../support/policy.ts";
import { MemoryContent } from "./memory-content.ts";
import { ManualClock } from "../../support/manual-clock.ts";

/** A generator whose bytes are the same in each run. */
export class TestRandom {
  private state = 12345;
  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => {
      this.state = (Math.imul(this.state, 1103515245) + 12345) >>> 0;
      return this.state >>> 24;
    });
  }
}

/**
 * A store in front of another whose `apply` can be held and whose reads can be made to wait: how tests put the operations of
 * several clients into an order of their choosing.
 */
export class HeldStore implements MetadataStore {
  readonly inner: MetadataStore;
  /** Sets since `hold`, not handed on yet. */
  private held: (() => void)[] | null = null;
  asynchronous = false;
  readonly sets: ChangeSet[] = [];
  readonly reads = { inode: 0, dirent: 0, directory: 0, folding: 0 };
  /** Runs before an asynchronous read's row is handed out, after it was read. */
  readonly gates: Promise<void>[] = [];

  constructor(inner: MetadataStore) {
    this.inner = inner;
  }

  get identity() {
    return this.inner.identity;
  }
  hold(): void {
    this.held ??= [];
  }
  /** Hands on what was held, in order. */
  release(): void {
    const held = this.held ?? [];
    this.held = null;
    for (const run of held) run();
  }
  get heldSets(): number {
    return this.held?.length ?? 0;
  }

  draw(): number {
    return this.inner.draw();
  }
  inode(id: FileId) {
    this.reads.inode++;
    return this.later(this.inner.inode(id));
  }
  dirent(...a: Parameters<MetadataStore["dirent"]>) {
    this.reads.dirent++;
    return this.later(this.inner.dirent(...a));
  }
  direntsFolding(...a: Parameters<MetadataStore["direntsFolding"]>) {
    this.reads.folding++;
    return this.later(this.inner.direntsFolding(...a));
  }
  xattr(...a: Parameters<MetadataStore["xattr"]>) {
    return this.later(this.inner.xattr(...a));
  }
  xattrs(...a: Parameters<MetadataStore["xattrs"]>) {
    return this.later(this.inner.xattrs(...a));
  }
  directory(...a: Parameters<MetadataStore["directory"]>) {
    this.reads.directory++;
    return this.later(this.inner.directory(...a));
  }
  extents(...a: Parameters<MetadataStore["extents"]>) {
    return this.inner.extents(...a);
  }
  orphans(...a: Parameters<MetadataStore["orphans"]>) {
    return this.later(this.inner.orphans(...a));
  }
  pack(...a: Parameters<MetadataStore["pack"]>) {
    return this.inner.pack(...a);
  }
  packs(...a: Parameters<MetadataStore["packs"]>) {
    return this.inner.packs(...a);
  }
  extentsOfPack(...a: Parameters<MetadataStore["extentsOfPack"]>) {
    return this.inner.extentsOfPack(...a);
  }
  lastContentSequence() {
    return this.inner.lastContentSequence();
  }
  treeVersion() {
    return this.later(this.inner.treeVersion());
  }
  usage() {
    return this.later(this.inner.usage());
  }
  apply(set: ChangeSet): Promise<ApplyResult> {
    this.sets.push(set);
    const held = this.held;
    if (held === null) return this.inner.apply(set);
    return new Promise((resolve, reject) => held.push(() => void this.inner.apply(set).then(resolve, reject)));
  }
  onApplied(listener: AppliedListener): void {
    this.inner.onApplied(listener);
  }
  close(): Promise<void> {
    return this.inner.close();
  }

  private later<T>(value: T | Promise<T>): T | Promise<T> {
    if (!this.asynchronous) return value;
    const gate = this.gates.shift() ?? Promise.resolve();
    return gate.then(() => value);
  }
}

export const root = superuser;
export const alice: Credentials = { uid: 1000, gid: 1000, groups: [50], superuser: false, access: AccessLevel.readWrite };
export const bob: Credentials = { uid: 1001, gid: 1001, groups: [50], superuser: false, access: AccessLevel.readWrite };

export interface World {
  readonly share: Share;
  readonly store: HeldStore;
  readonly content: MemoryContent;
  readonly clock: ManualClock;
}

export async function openWorld(options: Partial<CreateShareOptions> = {}): Promise<World> {
  const clock = new ManualClock();
  const random = new TestRandom();
  const store = new HeldStore(openMemoryStore({ clock, random }));
  return openOn(store, clock, options);
}

export async function openOn(store: HeldStore, clock: ManualClock, options: Partial<CreateShareOptions> = {}): Promise<World> {
  const content = new MemoryContent(store);
  const share = await createShare({
    name: "/export",
    store,
    content,
    clock,
    random: new TestRandom(),
    policy: policyOf(),
    ...options,
  });
  await share.orphans.idle();
  store.sets.length = 0;
  return { share, store, content, clock };
}

export function ok<T>(outcome: T | FsError): T {
  if (outcome instanceof FsError) throw new Error(`expected success, not ${outcome.code}`);
  return outcome;
}

export function fails(outcome: unknown, code: FsCode): void {
  expect(outcome instanceof FsError ? outcome.code : "success").toBe(code);
}

export async function file(share: Share, name: string, mode = 0o644, who = alice, directory: FileId = rootId): Promise<Inode> {
  return ok(await share.create(who, directory, name, { mode: "guarded", attributes: { mode } })).inode;
}

export async function folder(share: Share, name: string, mode = 0o755, who = alice, directory: FileId = rootId): Promise<Inode> {
  return ok(await share.mkdir(who, directory, name, { mode })).inode;
}

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The whole content of a file, as text. */
export async function textOf(share: Share, id: FileId): Promise<string> {
  const { data } = ok(await share.read(root, id, 0, 1_000_000));
  const text = data.slices.map((slice) => new TextDecoder().decode(slice)).join("");
  data.release();
  return text;
}

/** Every name of a directory with its id, "." and ".." left out, read in pages of `perPage`. */
export async function listAll(share: Share, directory: FileId, perPage = 1000): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  let cookie = 0;
  let verifier = new Uint8Array(8) as Uint8Array;
  for (let page = 0; page < 100_000; page++) {
    let room = perPage;
    const listing = ok(await share.readdir(root, directory, cookie, verifier, true, () => room-- > 0));
    verifier = listing.verifier;
    for (const entry of listing.entries) {
      cookie = entry.cookie;
      if (entry.cookie > 2) expect(found.has(entry.name)).toBe(false);
      if (entry.cookie > 2) found.set(entry.name, entry.id);
    }
    if (listing.end) return found;
  }
  throw new Error("the listing does not end");
}

/** An open by a client's protocol, with these rights, sharing everything unless told otherwise. */
export function open(share: Share, inode: Inode, access: number, more: Partial<OpenRequest> = {}): OpenFile {
  const opened = tryOpen(share, inode, access, more);
  if (opened instanceof OpenFile) return opened;
  throw new Error(opened instanceof FsError ? `expected an open, not ${opened.code}` : "expected an open, not a wait");
}

export function tryOpen(share: Share, inode: Inode, access: number, more: Partial<OpenRequest> = {}, holder: LeaseHolder = nobodyTold): ReturnType<OpenTable["admit"]> {
  const request: OpenRequest = {
    who: alice,
    access,
    momentary: 0,
    sharing: Sharing.all,
    place: null,
    directory: inode.type === FileType.directory,
    overwrites: false,
    deleteOnClose: false,
    caching: null,
    parentKey: null,
    retried: false,
    ...more,
  };
  return share.opens.admit(inode.id, request, holder);
}

const nobodyTold: LeaseHolder = { broken: () => true };
