/**
 * What an object is made from: slices in memory, which are nobody's once the object is put, or a file the store may take over (rename) instead of copying. `atOnce`: that the key is
 * free decides who owns something, so it must hold at the moment the object comes into being; by one request, however long.
 */
export type ObjectSource =
  | { readonly from: "slices"; readonly slices: readonly Uint8Array[]; readonly atOnce?: boolean }
  | { readonly from: "file"; readonly path: string; readonly size: number };

/** The object asked for is not there. Thrown: whoever asks for a key has a row that says it exists. */
export class MissingObjectError extends Error {
  override readonly name = "MissingObjectError";
  readonly key: string;
  constructor(key: string) {
    super(`the block store has no object ${key}`);
    this.key = key;
  }
}

/** What the store gives is not what was put there: it was damaged or changed. Its message says what. */
export class DamagedObjectError extends Error {
  override readonly name = "DamagedObjectError";
}

/** The store has no room. Thrown by `put`. */
export class StoreFullError extends Error {
  override readonly name = "StoreFullError";
}

/** The store can't be reached, is overloaded or has an error of its own: it will heal, so waiting and trying again is right. */
export class StoreUnavailableError extends Error {
  override readonly name = "StoreUnavailableError";
}

/** The store refuses what it was asked, and would again: the message says why. Who asked gets an I/O error. */
export class StoreFailedError extends Error {
  override readonly name: string = "StoreFailedError";
}

/** What of a store's settings is wrong. */
export const StoreFault = {
  key: "key",
  secret: "secret",
  credentials: "credentials",
  permission: "permission",
  bucket: "bucket",
  region: "region",
  clock: "clock",
  endpoint: "endpoint",
  certificate: "certificate",
} as const;
export type StoreFault = (typeof StoreFault)[keyof typeof StoreFault];

/** The store refuses to work for us until somebody changes something; the message says what. Nothing is lost meanwhile. */
export class StoreRefusedError extends Error {
  override readonly name = "StoreRefusedError";
  readonly fault: StoreFault;
  constructor(fault: StoreFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}

/** Told of how many bytes of a range, from its first on, are where they go by now and stay as they are. */
export type Came = (bytes: number) => void;

/**
 * Immutable objects under keys of `[a-zA-Z0-9/._-]`, written once. Keys begin with the share's instance.
 * `test/contract/blocks.ts` is the meaning of each method.
 */
export interface BlockStore {
  /** Stores a new object; resolves when it and its directory entry are durable. A file source is gone afterwards. Refuses an existing key. */
  put(key: string, source: ObjectSource): Promise<void>;
  /**
   * Exactly `length` bytes from `offset`, into `target` (of that length) where given. Throws MissingObjectError; an Error for a range past the
   * end. `came` is told as the bytes come by a store that is slow to give them, and by others never.
   */
  get(key: string, offset: number, length: number, target?: Uint8Array, came?: Came): Promise<Uint8Array>;
  /** Size of the object in bytes, or null. */
  size(key: string): Promise<number | null>;
  /** Deletes; a key that is not there is no error. Resolves when the space is given back. */
  delete(keys: readonly string[]): Promise<void>;
  /** All keys with the prefix, in no order; throws rather than give a part of them. A size is null where the store would have to open the object to know it. */
  list(prefix: string): AsyncIterable<{ readonly key: string; readonly size: number | null }>;
  /** Bytes free and in all for new objects, as `statfs` has them, where the store has such a bound; null where it hasn't. */
  space(): Promise<{ readonly free: number; readonly total: number } | null>;
  close(): Promise<void>;
}

/** An optional ability: read what the page cache holds at once, without a thread. */
export interface SynchronousReads {
  /** Fills `target` from `offset` if that needs no waiting; false otherwise, with `target` undefined. */
  getNow(key: string, offset: number, target: Uint8Array): boolean;
}

/** An optional ability: adopt a file that lies on the same file system by renaming it. Where to make such files. */
export interface AdoptsFiles {
  readonly stagingDirectory: string;
}

/** An optional ability: copies of what a store that is slow to answer has given, and will be asked for. */
export interface HoldsCopies {
  /** Begins to fetch a range that will be asked for soon, as far as there is no copy of it; false where there is no room for that just now. */
  prefetch(key: string, offset: number, length: number): boolean;
  /** How many reads the store itself has answered: what a copy answers says nothing of whether the store works. */
  readonly answers: number;
  /** What was given for this range is not what was put: copies of it are given to nobody any more. Whether there were any. */
  distrust(key: string, offset: number, length: number): boolean;
}
