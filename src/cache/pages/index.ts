/**
 * Pages: 64 KiB pieces of files in memory, in pooled buffers of size classes. A buffer that a reply or a flush holds beside its
 * page is immutable, and a write goes to a copy; what is clean and unused goes first when memory is short.
 */
export { Page, PageCache } from "./page.ts";
export { type BufferPool, type LendsPages, type LentPages, type PageBuffer, pageBytes } from "./pool.ts";
export { Ranges } from "./ranges.ts";
