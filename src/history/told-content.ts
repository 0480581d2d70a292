import type { Time } from "#base/time.ts";
import type { ContentRun } from "#model/file-content.ts";
import type { ContentTap, PackedFile } from "#model/history.ts";
import type { FileId, PackId } from "#model/ids.ts";
import type { Publisher } from "./publisher.ts";

/** What content is told of, handed on to the publisher. */
export abstract class ToldContent implements ContentTap {
  protected abstract readonly publisher: Publisher;

  wrote(file: FileId, sequence: number, offset: number, payload: readonly Uint8Array[], length: number, newSize: number, mtime: Time): void {
    this.publisher.began();
    this.publisher.records.wrote(file, sequence, offset, payload, length, newSize, mtime);
    this.publisher.added();
  }

  pointed(file: FileId, sequence: number, offset: number, length: number, newSize: number, mtime: Time, pack: PackId, packOffset: number, payloadCrc: number): void {
    this.publisher.began();
    this.publisher.records.pointed(file, sequence, offset, length, newSize, mtime, pack, packOffset, payloadCrc);
    this.publisher.added();
  }

  truncated(file: FileId, sequence: number, newSize: number, mtime: Time): void {
    this.publisher.began();
    this.publisher.records.truncated(file, sequence, newSize, mtime);
    this.publisher.added();
  }

  cloned(file: FileId, sequence: number, offset: number, runs: readonly ContentRun[], newSize: number, mtime: Time): void {
    this.publisher.began();
    this.publisher.records.cloned(file, sequence, offset, runs, newSize, mtime);
    this.publisher.added();
  }

  punched(file: FileId, sequence: number, offset: number, length: number, newSize: number, mtime: Time): void {
    this.publisher.began();
    this.publisher.records.punched(file, sequence, offset, length, newSize, mtime);
    this.publisher.added();
  }

  get leavesToPacks(): boolean {
    return this.publisher.leavesToPacks;
  }

  packed(files: ReadonlyMap<FileId, PackedFile>): boolean {
    return this.publisher.packed(files);
  }
}
