const second = 1000;
const KiB = 2 ** 10;
const MiB = 2 ** 20;

/** What a single caller can make the server hold or wait for. */
export const limits = {
  /** Longest body of a request. */
  bodyBytesMax: 1 * MiB,
  /** Longest path and query. */
  targetBytesMax: 8 * KiB,
  /** Longest bearer token that is looked at. */
  tokenBytesMax: 4 * KiB,
  /** How long a call may take, except those that go on for as long as they make progress. */
  callMs: 30 * second,
  /** How long a connection may be without a call, or take to accept an answer. Longer than a call may take. */
  idleSec: 60,
  /** How long a new connection may take to make its first call, whatever it sends meanwhile. */
  firstCallMs: 15 * second,
  /** How often connections are looked at for that. */
  sweepMs: 5 * second,
  /** Calls a connection may send without waiting for their answers. */
  pipelinedMax: 16,
  /** How often the certificate files are looked at. */
  certificatePollMs: 5 * second,
  /** Calls in hand at once; the next is told to come back. */
  callsMax: 512,
  /**
   * Of these, calls whose body is read before it is known who sends it: log-ins and refreshes. Somebody without an account, who sends
   * bodies slowly, must leave room for those who have one. More than passwords are waiting for at once (`verificationsWaitingMax`).
   */
  strangersMax: 128,
  /** Of these, calls of one user whose body is on its way. One that comes with its head is read before the next is looked at. */
  bodiesPerUserMax: 64,
  /** Event streams at once, and of one user: each costs some work a second. */
  eventStreamsMax: 32,
  eventStreamsPerUserMax: 8,
  /** What a caller that came at a bad moment is told to wait. */
  retryAfterSec: 1,
  /** Wrong fields a problem document names at most. */
  fieldProblemsMax: 50,
  /** How long an answer of the database's health is good for: anyone may ask, and each asking costs a query. */
  healthMs: 1 * second,
} as const;
