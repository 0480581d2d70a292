import { expect, test } from "bun:test";
import { linuxUnacknowledged } from "#net/unacknowledged.ts";

test("of a peer that has acknowledged everything, and of no socket at all, nothing is waited for", async () => {
  const unacknowledged = linuxUnacknowledged();
  expect(unacknowledged(-1)).toBe(0);
  const got = Promise.withResolvers<void>();
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => got.resolve() } });
  const client = await Bun.connect({ hostname: "127.0.0.1", port: server.port, socket: { data() {} } });
  client.write("text");
  await got.promise;
  expect(unacknowledged((client as unknown as { fd: number }).fd)).toBe(0);
  client.terminate();
  server.stop(true);
});
