/** Codecs of the SMB2 messages (MS-SMB2 2.2): header, transform, and each command's request and answer. */
export * from "./create.ts";
export * from "./durable.ts";
export * from "./fsctl.ts";
export * from "./header.ts";
export * from "./io.ts";
export * from "./lease.ts";
export * from "./negotiate.ts";
export * from "./query.ts";
export * from "./reparse.ts";
export * from "./session.ts";
