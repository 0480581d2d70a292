/** The operations, one file each, named as RFC 1813 names them: functions over a share, each with its own permission checks. */
export { access, type Granted } from "./access.ts";
export { commit } from "./commit.ts";
export { create } from "./create.ts";
export { getattr, root } from "./getattr.ts";
export { link } from "./link.ts";
export { lookup } from "./lookup.ts";
export { mkdir } from "./mkdir.ts";
export { mknod } from "./mknod.ts";
export { read } from "./read.ts";
export { readdir } from "./readdir.ts";
export { type Link, readlink } from "./readlink.ts";
export { remove } from "./remove.ts";
export { rename } from "./rename.ts";
export { rmdir } from "./rmdir.ts";
export { setattr } from "./setattr.ts";
export { symlink } from "./symlink.ts";
export { usage } from "./usage.ts";
export { write } from "./write.ts";
