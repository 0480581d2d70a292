/**
 * FSCTLs (MS-SMB2 3.3.5.15, MS-FSA 2.1.5.10), told apart by the table; one file for those that belong together. What the table doesn't
 * have is no request of this server's file systems.
 */
export { type Control, controls, testControls } from "./table.ts";
