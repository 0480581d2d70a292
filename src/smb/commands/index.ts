/** The commands of SMB2, one file each, named as MS-SMB2 names them; the table says what each needs before it is run. */
export { type Handler, handlers, Needs } from "./table.ts";
