/** The shares a session is connected to. */
export * from "./tree.ts";
