/**
 * NFS version 3 (RFC 1813): one file a procedure, named as the RFC names it. Each decodes its arguments, asks vfs and encodes what
 * came of it; a failure carries the attributes its `FailureBody` says. Nothing about files is decided here.
 */
import { nfsVersion3, Nfs3Procedure as P } from "#wire/nfs3.ts";
import type { ProgramVersion } from "../rpc.ts";
import { access } from "./access.ts";
import { commit } from "./commit.ts";
import { create } from "./create.ts";
import { fsinfo } from "./fsinfo.ts";
import { fsstat } from "./fsstat.ts";
import { getattr } from "./getattr.ts";
import { link } from "./link.ts";
import { lookup } from "./lookup.ts";
import { mkdir } from "./mkdir.ts";
import { mknod } from "./mknod.ts";
import { nullProcedure } from "./null.ts";
import { pathconf } from "./pathconf.ts";
import { read } from "./read.ts";
import { readdir } from "./readdir.ts";
import { readdirplus } from "./readdirplus.ts";
import { readlink } from "./readlink.ts";
import { remove } from "./remove.ts";
import { rename } from "./rename.ts";
import type { Nfs3Procedure, Nfs3Settings } from "./reply.ts";
import { rmdir } from "./rmdir.ts";
import { setattr } from "./setattr.ts";
import { symlink } from "./symlink.ts";
import { write } from "./write.ts";

export function nfs3(settings: Nfs3Settings): ProgramVersion {
  const table: Record<P, Nfs3Procedure> = {
    [P.NULL]: nullProcedure,
    [P.GETATTR]: getattr(settings),
    [P.SETATTR]: setattr(settings),
    [P.LOOKUP]: lookup(settings),
    [P.ACCESS]: access(settings),
    [P.READLINK]: readlink(settings),
    [P.READ]: read(settings),
    [P.WRITE]: write(settings),
    [P.CREATE]: create(settings),
    [P.MKDIR]: mkdir(settings),
    [P.SYMLINK]: symlink(settings),
    [P.MKNOD]: mknod(settings),
    [P.REMOVE]: remove(settings),
    [P.RMDIR]: rmdir(settings),
    [P.RENAME]: rename(settings),
    [P.LINK]: link(settings),
    [P.READDIR]: readdir(settings),
    [P.READDIRPLUS]: readdirplus(settings),
    [P.FSSTAT]: fsstat(settings),
    [P.FSINFO]: fsinfo(settings),
    [P.PATHCONF]: pathconf(settings),
    [P.COMMIT]: commit(settings),
  };
  const procedures = Array.from({ length: P.COMMIT + 1 }, (_, number) => ({ ...table[number as P], operation: number }));
  return { version: nfsVersion3, procedures };
}
