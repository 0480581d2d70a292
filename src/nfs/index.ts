/**
 * NFS version 3, MOUNT and the port mapper: translates between ONC RPC and vfs, decides nothing about files. `rpc.ts` finds the
 * procedure of a call and sees to one answer each; `v3/`, `mount/`, `portmap/` have a file a procedure. Every answer is encoded
 * without waiting, straight into its connection's buffer; a handler waits only where vfs does.
 */
export * from "./adapter.ts";
export type { NfsClient } from "./clients.ts";
export { type DuplicateLimits, duplicateLimitDefaults } from "./drc.ts";
export type { Mount } from "./mount/index.ts";
export { nfsRequests } from "./watched.ts";
export { createPortmapper, type Portmapper, type PortmapperOptions, type RegisteredService } from "./portmap/index.ts";
