/**
 * Sessions of a PostgreSQL server: how to get to it (dial.ts, with libpq's TLS modes), one log-in on one socket (session.ts), and
 * what its errors mean for whoever runs this program (errors.ts). What is asked there is the business of those who open sessions.
 *
 * Invariants: a session never reconnects unseen; a statement without an answer ends; no message holds a password or a row's values.
 */
export { dial, type Endpoint, nameOf, type SslMode, sslModes } from "./dial.ts";
export { type Account, endsSession, explain, isOfConnection, loginError, SqlState } from "./errors.ts";
export { answerMsMore, type Login, PostgresSession, type SessionOptions } from "./session.ts";
export { ConnectionLost, PostgresFailure, type Terms } from "./terms.ts";
