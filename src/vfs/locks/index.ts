/**
 * Byte-range locks of a share's files (MS-FSA 2.1.5.8 and 2.1.5.9), mandatory for every protocol: whoever reads or writes asks
 * `bars` first. An owner is any object, told by its identity: an open of SMB. Locks of an owner may overlap each other where all
 * but one are shared, and are taken away one by one by their exact range; `release` takes all, at the owner's close.
 */
export { LockOutcome, type LockOwner, type LockRequest, type LockWait } from "./file-locks.ts";
export { fileLocksMax, fileWaitsMax, LockTable } from "./lock-table.ts";
export { LockRange, rangeOf } from "./range.ts";
