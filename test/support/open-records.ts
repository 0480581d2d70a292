import type { OpenRecords } from "#model/open-records.ts";

/** Records that a test keeps across the starts of a share. */
export class KeptRecords implements OpenRecords {
  readonly all = new Map<string, Uint8Array>();
  /** The next one is refused, as by a full disk. */
  failNext = false;

  async load(): Promise<ReadonlyMap<string, Uint8Array>> {
    return new Map(this.all);
  }
  async put(key: string, record: Uint8Array): Promise<void> {
    if (this.failNext) {
      this.failNext = false;
      throw new Error("no space left on the device");
    }
    this.all.set(key, record);
  }
  async remove(key: string): Promise<void> {
    this.all.delete(key);
  }
}
