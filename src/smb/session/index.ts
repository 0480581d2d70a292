/** Who is logged in. A session belongs to the server, not to a connection: its channels come and go. */
export * from "./session.ts";
