import { afterEach } from "bun:test";
import type { StreamServer } from "#net/index.ts";
import { collector, RawClient } from "./helpers.ts";

const started: StreamServer<null>[] = [];
const clients: RawClient[] = [];

/** A server on a port of its own, whose messages the test answers; it and the clients that `connect` are gone after each test. */
export function start(options: Parameters<typeof collector>[0] = {}) {
  const made = collector(options);
  started.push(made.server);
  return { ...made, connect: async () => clients[clients.push(await RawClient.connect(made.port)) - 1]! };
}

export function endAfterEach(): void {
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    for (const server of started.splice(0)) await server.stop(0);
  });
}

export const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString());
export const bytes = (value: string): Uint8Array => new Uint8Array(Buffer.from(value));
