/** Who is logged in on a connection, and with which keys (MS-SMB2 3.3.1.8). */
export { Session, treesMax } from "./session.ts";
