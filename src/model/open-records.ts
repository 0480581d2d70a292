/** Records of opens that outlive the server, of one share. */
export interface OpenRecords {
  /** What there is when the share is opened, by key. */
  load(): Promise<ReadonlyMap<string, Uint8Array>>;
  /** Resolves when the record is durable. */
  put(key: string, record: Uint8Array): Promise<void>;
  /** Harmless where there is none. */
  remove(key: string): Promise<void>;
}
