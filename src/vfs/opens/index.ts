/**
 * Who has which file of a share open, and what clients cache of it: one table for every protocol (MS-FSA 2.1.4.12, 2.1.5.1, 2.1.5.18).
 * An `OpenFile` is admitted against the share modes of the others, after they gave up what they cache; `Lease` is what one client
 * may cache (an oplock, or a lease that several of its opens share) and the break it may be in. An open outlives the connection
 * it was made in until `FileSystem.release`. Every wait is for a break, and every break ends: by the client's word, its close, or time.
 */
export { Cached, Cause } from "./caching.ts";
export { type Deletion, FileOpens } from "./file-opens.ts";
export { Acknowledged, breakMs, Lease, type LeaseCounts, type LeaseHolder } from "./lease.ts";
export { type CachingRequest, OpenFile, type OpenRequest, type Place, samePlace } from "./open-file.ts";
export { OpenTable } from "./open-table.ts";
export { PersistentOpens, type RestoredOpen } from "./persistent-opens.ts";
export { Right, Sharing } from "./rights.ts";
