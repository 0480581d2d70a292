import { expect } from "bun:test";
import { StoreUnavailableError } from "#model/block-store.ts";
import { FsError } from "#model/fs-error.ts";
import type { FileSystem } from "#vfs/file-system.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { LogLines } from "../../support/log-lines.ts";
import type { CreateFields, SmbFiles } from "../../support/smb-requests.ts";
import { alice, HeldStore } from "../vfs/kit.ts";
import { DurableWorld } from "./durable/kit.ts";

export const away = new StoreUnavailableError("away");
/** What a request is answered that meets a store which is away. */
export const later = NtStatus.INSUFFICIENT_SERVER_RESOURCES;

/** A server whose share's store can be away, and a client of it. */
export class TroubledWorld {
  readonly log: LogLines;
  readonly world: DurableWorld;
  files: SmbFiles;

  private constructor(log: LogLines, world: DurableWorld, files: SmbFiles) {
    this.log = log;
    this.world = world;
    this.files = files;
  }

  static async open(): Promise<TroubledWorld> {
    const log = new LogLines();
    const world = await DurableWorld.open({ logger: log });
    return new TroubledWorld(log, world, await world.files());
  }

  get share() {
    return this.world.server.world.share;
  }

  /** From the change after so many others on the store takes none, until it is mended. */
  breaks(error: Error = away, changes = 0): void {
    const { store } = this.world.server.world;
    let left = changes;
    store.apply = (set) => (left-- > 0 ? HeldStore.prototype.apply.call(store, set) : Promise.reject(error));
  }

  mend(): void {
    const { store } = this.world.server.world;
    store.apply = (set) => HeldStore.prototype.apply.call(store, set);
  }

  /** While `work` is done this comes to an error, or to what `instead` does before. */
  async without<T>(operation: "getattr" | "setattr" | "streams" | "openStream", work: () => Promise<T>, instead: () => Promise<unknown> = () => Promise.reject(away)): Promise<T> {
    const { share } = this;
    const before = share[operation];
    share[operation] = instead as FileSystem[typeof operation] as never;
    try {
      return await work();
    } finally {
      share[operation] = before as never;
    }
  }

  /** Makes a file, closed again. */
  async made(name: string, more: Partial<CreateFields> = {}): Promise<void> {
    const { status, fileId } = await this.files.create({ ...more, name });
    expect([status, await this.files.close(fileId)]).toEqual([0, 0]);
  }

  /** Nobody has anything open, locked or under way. */
  nothingLeft(): void {
    const { opens, pending } = this.world.server.state;
    expect([this.share.opens.size, this.share.locks.held, opens.size, pending.count]).toEqual([0, 0, 0, 0]);
  }

  /** Somebody can have a file for himself: what was left behind would bar him. */
  async alone(name: string): Promise<void> {
    this.nothingLeft();
    const { status, fileId } = await this.files.create({ name, share: 0, disposition: 1 });
    expect([name, status]).toEqual([name, 0]);
    expect(await this.files.close(fileId)).toBe(0);
  }

  async exists(name: string): Promise<boolean> {
    return !((await this.share.lookup(alice, (await this.share.root()).id, name)) instanceof FsError);
  }

  stop(): Promise<void> {
    return this.world.stop();
  }
}
