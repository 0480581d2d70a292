/** Who is logged in, with which keys and over which connections (MS-SMB2 3.3.1.8); how sessions begin and end. */
export { closeTrees, Ending, endSession, endTree, mayGoOn } from "./ending.ts";
export { Channel, channelsMax, Session, SessionKind, treesMax } from "./session.ts";
export { Sessions } from "./sessions.ts";
