/**
 * What is known of an open file and what of it can be set (MS-FSCC 2.4): one table of the classes QUERY_INFO writes, functions for those
 * SET_INFO takes, extended attributes. The commands check lengths and rights by the tables; what happens to files vfs decides.
 */
export { queryEas, setEas } from "./eas.ts";
export { classOf } from "./file-info.ts";
export { known } from "./known.ts";
export * from "./set-file.ts";
export { setLink } from "./set-link.ts";
