/**
 * MOUNT version 3 (RFC 1813 §5): gives the first handle of a share, or of a directory in it, to whom the share is open. The list of
 * who mounted what is for people to read; nothing rests on it.
 */
import type { Clock } from "#base/clock.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { Shares } from "#vfs/file-system.ts";
import { mountPathBytesMax, Mount3Procedure as P, mountVersion3 } from "#wire/mount3.ts";
import { AcceptStat } from "#wire/rpc.ts";
import { XdrFailure } from "#wire/xdr-reader.ts";
import type { Procedure } from "../call.ts";
import type { ProgramVersion } from "../rpc.ts";
import { mountOperations } from "../watched.ts";
import { exportPath } from "./export-path.ts";
import { mnt } from "./mnt.ts";
import type { MountList } from "./mount-list.ts";

export { type Mount, MountList, type SeenMount } from "./mount-list.ts";

export interface MountSettings {
  readonly shares: Shares;
  readonly mounts: MountList;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A procedure; the version's table gives it its number. */
export type MountProcedure = Omit<Procedure, "operation">;

export function mount3(settings: MountSettings): ProgramVersion {
  const table: Record<(typeof P)[keyof typeof P], MountProcedure> = {
    [P.NULL]: nullProcedure,
    [P.MNT]: mnt(settings),
    [P.DUMP]: dump(settings),
    [P.UMNT]: umnt(settings),
    [P.UMNTALL]: umntall(settings),
    [P.EXPORT]: exports(settings),
  };
  const procedures = Array.from({ length: P.EXPORT + 1 }, (_, number) => ({ ...table[number as keyof typeof table], operation: mountOperations + number }));
  return { version: mountVersion3, procedures };
}

const nullProcedure: MountProcedure = {
  name: "MOUNT NULL",
  remembered: false,
  run(call) {
    call.begin();
    call.end();
  },
};

/** DUMP (§5.2.2). */
const dump = ({ mounts }: MountSettings): MountProcedure => ({
  name: "DUMP",
  remembered: false,
  run(call) {
    const w = call.begin();
    for (const mount of mounts.list()) {
      w.reserve(4);
      w.u32(1);
      w.string(mount.host);
      w.string(mount.path);
    }
    w.reserve(4);
    w.u32(0);
    call.end();
  },
});

/** UMNT (§5.2.3). */
const umnt = ({ mounts }: MountSettings): MountProcedure => ({
  name: "UMNT",
  remembered: false,
  run(call, args) {
    const path = args.string(mountPathBytesMax);
    if (args.failure === XdrFailure.garbage) return call.reject(AcceptStat.GARBAGE_ARGS);
    mounts.remove(call.client.address, path);
    call.begin();
    call.end();
  },
});

/** UMNTALL (§5.2.4). */
const umntall = ({ mounts }: MountSettings): MountProcedure => ({
  name: "UMNTALL",
  remembered: false,
  run(call) {
    mounts.removeAll(call.client.address);
    call.begin();
    call.end();
  },
});

/** EXPORT (§5.2.5): the shares that are open to the caller, those that are back in a moment too; without groups: to others they are none of their business. */
const exports = ({ shares }: MountSettings): MountProcedure => ({
  name: "EXPORT",
  remembered: false,
  run(call) {
    const w = call.begin();
    for (const fs of [...shares.list(), ...shares.absent.returning]) {
      // Not by the client's view: who looks at the list uses no share.
      if (!fs.policy.admits("nfs", call.client.address)) continue;
      w.reserve(4);
      w.u32(1);
      w.string(exportPath(fs));
      w.reserve(4);
      w.u32(0);
    }
    w.reserve(4);
    w.u32(0);
    call.end();
  },
});
