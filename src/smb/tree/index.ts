/** A session's connection to a share, and whom its user is there (MS-SMB2 3.3.1.9). */
export { Tree } from "./tree.ts";
