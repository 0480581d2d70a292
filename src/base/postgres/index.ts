/**
 * Sessions of a PostgreSQL server as whoever keeps rows there needs them: one connection dialled, its TLS checked, its errors told
 * apart: what ends the session, what heals, what an operator has to mend. Knows no tables.
 */
export * from "./dial.ts";
export * from "./errors.ts";
export * from "./session.ts";
export * from "./terms.ts";
