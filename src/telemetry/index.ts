/** What is seen of the server from outside: logs now; metrics, spans and profiles as they come. No-ops when off. */
export * from "./logger.ts";
