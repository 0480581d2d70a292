/**
 * What the server spends its time on and what fills its memory, as pprof: taken once for whoever asks (`profiler.ts`), or pushed to a
 * Pyroscope server every some seconds (`pusher.ts`). Off unless asked for: the runtime's profiler, the encoder and the client are
 * loaded by the first profile, and nothing on a path of files knows that they exist.
 *
 * All who want samples at a time share one recorder, since the runtime has one profiler a thread. The samples are of the event
 * loop's thread; what else uses processors is counted by difference.
 */
export * from "./profile-types.ts";
export * from "./profiler.ts";
export * from "./pusher.ts";
