/**
 * A share's names, attributes and content map: the implementations of the port MetadataStore.
 *
 * One engine (engine.ts, content.ts) decides what a change set means, over the rows of a store (rows.ts); a Batch
 * holds what the sets of one transaction touch, a Committer puts the sets of one event-loop turn into one transaction. The
 * stores differ in where rows lie and when they are durable. test/contract/metadata.ts is the meaning of it all.
 *
 * Invariants: a set is applied whole or leaves no trace; nothing is resolved before it is durable; the sequence never gives a
 * number twice; a pack's `live`, a file's `used` and the usage figures always equal a recount of the extents.
 *
 * PostgreSQL's is a room of its own, `postgres/index.ts`, which a server loads when a share of it needs it.
 */
export { MetadataStoreError, MetadataTakenError } from "./errors.ts";
export { importIntoMemory, type MemoryStore, type MemoryStoreOptions, openMemoryStore } from "./memory/index.ts";
export { countsOf, type MetadataStats, type SessionStats } from "./stats.ts";
export { parseMark } from "./sqlite/journal.ts";
export { SqliteReplay } from "./sqlite/replay.ts";
export { SqliteStore, type SqliteStoreOptions, openSqliteStore } from "./sqlite/index.ts";
export { traceStore } from "./traced.ts";
export { importIntoSqlite, type ImportOptions } from "./sqlite/import.ts";
