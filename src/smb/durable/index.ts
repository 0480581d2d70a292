/**
 * Opens that outlive their connections (MS-SMB2 3.3.5.9.6 to 3.3.5.9.13, 3.3.7.1): durable of both versions, persistent, what a
 * CREATE sent again means, and application instances. While its client is gone an open is in `Durables` and in the share's table
 * of opens, and in no session; its locks, share modes and caching hold for others as before.
 */
export { type Answer, type Answered, createDurably, type Make } from "./creating.ts";
export { Durable, isContinuous, makeDurable, makeResilient, resilientMsMax } from "./durable.ts";
export { Durables } from "./durables.ts";
export { notPersistent, persist } from "./persisting.ts";
export { takeOver } from "./instance.ts";
