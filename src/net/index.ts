/**
 * Listeners. `StreamServer` cuts TCP streams into messages by a given framing and hands each to one handler; a connection costs
 * little until it speaks, and memory is bounded per connection and over all: messages begun, requests unfinished, replies unsent.
 * Past a bound a socket is not read; a client that makes no progress loses its connection. Knows no protocol.
 */
export { Connection } from "./connection.ts";
export * from "./datagram-server.ts";
export * from "./framing.ts";
export { type LocalInterface, localInterfaces } from "./interfaces.ts";
export type { ListenAddress } from "./listening.ts";
export { type GatheredWrite, linuxGatheredWrite } from "./gathered-write.ts";
export { OutBuffer } from "./out-buffer.ts";
export { headBytesMin } from "./record-assembler.ts";
export type { Lender } from "./send-queue.ts";
export * from "./stream-options.ts";
export * from "./stream-server.ts";
