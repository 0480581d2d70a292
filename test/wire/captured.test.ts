import { describe, expect, test } from "bun:test";
import { harness } from "../unit/nfs/harness.ts";
import { MemoryFileSystem } from "../unit/nfs/memory-file-system.ts";
import libnfs from "./golden/libnfs-4.0.json";
import linux from "./golden/linux-6.1.json";

/**
 * Sessions of real clients, recorded on the wire against the file system the tests here use: a Linux 6.1 kernel that mounted,
 * listed, made one of each kind of file, wrote, renamed, truncated and removed them, and libnfs 4.0's tools. Both were content with
 * the replies, which must stay what they were, byte for byte.
 */
const sessions = [
  { client: "Linux 6.1", messages: linux },
  { client: "libnfs 4.0", messages: libnfs },
];

for (const { client, messages } of sessions) {
  describe(`${client}'s session`, () => {
    test("is answered as it was", async () => {
      const caller = harness([new MemoryFileSystem("/export")]).connect();
      for (const { call, reply } of messages) {
        const answer = await caller.ask(fromHex(call));
        expect({ call, reply: Buffer.from(answer ?? []).toString("hex") }).toEqual({ call, reply });
      }
    });

    test("cut at any byte gets a clean error and changes nothing else", async () => {
      const fs = new MemoryFileSystem("/export");
      const caller = harness([fs]).connect();
      for (const { call } of messages) {
        const record = fromHex(call);
        for (let length = 0; length < record.length; length++) {
          const before = fs.log.length;
          const reply = await caller.ask(record.slice(0, length));
          // Too little for a header: no answer is possible. Otherwise GARBAGE_ARGS, an NFS error, or the answer to a shorter call.
          if (reply !== null) expect(reply.length).toBeGreaterThanOrEqual(20);
          if (length < 40) expect(reply).toBeNull();
          expect(fs.log.length).toBe(before);
        }
        await caller.ask(record);
      }
    });
  });
}

function fromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, "hex"));
}
