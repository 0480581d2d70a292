import { describe, expect, test } from "bun:test";
import type { Logger } from "#telemetry/logger.ts";
import { MetadataStoreError } from "#metadata/index.ts";
import { StoreFailedError, StoreUnavailableError } from "#model/block-store.ts";
import { Squash } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import { authSys, callRecord, harness, noCredential } from "./harness.ts";
import { MemoryFileSystem } from "./memory-file-system.ts";
import { Words } from "./words.ts";

const hex = (bytes: Uint8Array | null): string => (bytes === null ? "closed" : Buffer.from(bytes).toString("hex"));
const words = (...fields: number[]): string => hex(new Words(...fields).bytes());

function memoryLogger(): { logger: Logger; errors: object[] } {
  const errors: object[] = [];
  const logger: Logger = { debug() {}, info() {}, warn() {}, error: (fields) => void errors.push(fields), child: () => logger };
  return { logger, errors };
}

describe("RPC", () => {
  const connect = () => harness([new MemoryFileSystem("/export")]).connect();

  test("another RPC version: RPC_MISMATCH with the range", async () => {
    const record = new Words(7, 0, 3, 100003, 3, 0).then(noCredential).bytes();
    expect(hex(await connect().ask(record))).toBe(words(7, 1, 1, 0, 2, 2));
    // All that is known of such a message is its first three words.
    expect(hex(await connect().ask(new Words(7, 0, 1).bytes()))).toBe(words(7, 1, 1, 0, 2, 2));
  });

  test("an unknown program: PROG_UNAVAIL", async () => {
    expect(hex(await connect().ask(callRecord(7, 100004, 2, 0)))).toBe(words(7, 1, 0, 0, 0, 1));
  });

  test("an unknown version: PROG_MISMATCH with the range", async () => {
    expect(hex(await connect().ask(callRecord(7, 100003, 2, 0)))).toBe(words(7, 1, 0, 0, 0, 2, 3, 3));
    expect(hex(await connect().ask(callRecord(7, 100005, 1, 0)))).toBe(words(7, 1, 0, 0, 0, 2, 3, 3));
  });

  test("an unknown procedure: PROC_UNAVAIL", async () => {
    for (const procedure of [22, 0xffffffff]) {
      expect(hex(await connect().ask(callRecord(7, 100003, 3, procedure)))).toBe(words(7, 1, 0, 0, 0, 3));
    }
    expect(hex(await connect().ask(callRecord(7, 100005, 3, 6)))).toBe(words(7, 1, 0, 0, 0, 3));
  });

  test("cut arguments: GARBAGE_ARGS", async () => {
    expect(hex(await connect().ask(callRecord(7, 100003, 3, 1, new Words(44))))).toBe(words(7, 1, 0, 0, 0, 4));
  });

  test("credentials: too long, malformed, of an unknown flavor; verifiers", async () => {
    const caller = connect();
    const denied = (why: number) => words(7, 1, 1, 1, why);
    const with_ = (credential: Words) => callRecord(7, 100003, 3, 0, new Words(), credential);
    expect(hex(await caller.ask(with_(new Words(0, new Uint8Array(401), 0, 0))))).toBe(denied(1));
    expect(hex(await caller.ask(with_(new Words(1, 0xffffffff))))).toBe(denied(1));
    expect(hex(await caller.ask(with_(new Words(1, new Uint8Array(8), 0, 0))))).toBe(denied(1));
    expect(hex(await caller.ask(with_(authSys(1, 1, ...Array<number>(17).fill(5)))))).toBe(denied(1));
    const longName = new Words(0, "x".repeat(256), 0, 0, 0).bytes();
    expect(hex(await caller.ask(with_(new Words(1, longName, 0, 0))))).toBe(denied(1));
    const trailing = new Words(0, "x", 0, 0, 0, 9).bytes();
    expect(hex(await caller.ask(with_(new Words(1, trailing, 0, 0))))).toBe(denied(1));
    for (const flavor of [2, 3, 6, 99]) expect(hex(await caller.ask(with_(new Words(flavor, 0, 0, 0))))).toBe(denied(1));
    expect(hex(await caller.ask(with_(new Words(0, 0, 0, new Uint8Array(401)))))).toBe(denied(3));
    expect(hex(await caller.ask(with_(new Words(0, 0, 1, "bad"))))).toBe(denied(3));
    const sixteen = with_(authSys(1, 1, ...Array<number>(16).fill(5)));
    expect(hex(await caller.ask(sixteen))).toBe(words(7, 1, 0, 0, 0, 0));
  });

  test("what is no call is not answered", async () => {
    const caller = connect();
    for (const record of [new Words(), new Words(7), new Words(7, 1, 2), new Words(7, 2, 2), new Words(7, 0, 2, 100003)]) {
      expect(await caller.ask(record.bytes())).toBeNull();
    }
    expect(caller.transport.done).toBe(5);
  });

  test("a fault of ours: SYSTEM_ERR, logged once, and the server goes on", async () => {
    const { logger, errors } = memoryLogger();
    const fs = new MemoryFileSystem("/export");
    const caller = harness([fs], { logger }).connect();
    const root = fs.handleOf(fs.root());
    for (const [procedure, args] of [[1, new Words(root)], [9, new Words(root, "x", 0, 0, 0, 0, 0, 0)]] as const) {
      fs.failNext = "throw";
      expect(hex(await caller.ask(callRecord(7, 100003, 3, procedure, args)))).toBe(words(7, 1, 0, 0, 0, 5));
    }
    expect(errors).toHaveLength(2);
    expect(errors[0]).toMatchObject({ procedure: "GETATTR", client: "127.0.0.1" });
    // Not remembered: asked again, it is done.
    const again = await caller.nfs(9, new Words(root, "x", 0, 0, 0, 0, 0, 0));
    expect(hex(again.slice(0, 4))).toBe("00000000");
    expect(caller.transport.done).toBe(3);
  });

  test("an I/O error is logged with the request it was answered to, the client and the share", async () => {
    const warnings: object[] = [];
    const logger: Logger = { debug() {}, info() {}, warn: (fields) => void warnings.push(fields), error() {}, child: () => logger };
    const fs = new MemoryFileSystem("/export");
    const caller = harness([fs], { logger }).connect("192.0.2.7");
    const root = new Words(fs.handleOf(fs.root()));
    fs.getattr = () => FsError.of("noEntry");
    await caller.ask(callRecord(0xfedcba98 | 0, 100003, 3, 1, root));
    expect(warnings).toEqual([]);
    fs.getattr = () => FsError.of("io");
    await caller.ask(callRecord(0xfedcba98 | 0, 100003, 3, 1, root));
    expect(warnings).toEqual([{ request: "nfs-1:fedcba98", client: "192.0.2.7", procedure: "GETATTR", share: "/export" }]);
  });

  // What is read is refused by the one, what is changed by the other.
  for (const refusal of [new StoreFailedError("permission denied for table inode"), new MetadataStoreError("can't be written any more")]) {
    test(`a store that refuses for good (${refusal.name}): NFS3ERR_IO, MNT3ERR_IO, and the cause in the log`, async () => {
      const { logger, errors } = memoryLogger();
      const fs = new MemoryFileSystem("/export");
      const caller = harness([fs], { logger }).connect();
      const root = new Words(fs.handleOf(fs.root()));
      fs.getattr = fs.root = () => {
        throw refusal;
      };
      expect(hex(await caller.nfs(1, root))).toBe("00000005");
      expect(hex(await caller.mount(1, new Words("/export")))).toBe("00000005");
      expect(errors).toMatchObject([
        { procedure: "GETATTR", client: "127.0.0.1", share: "/export", error: refusal },
        { procedure: "MNT", client: "127.0.0.1", share: "/export", error: refusal },
      ]);
    });
  }

  test("a store that is away: whoever mounts is not told that there is no such share, whoever asks for a file comes back", async () => {
    const { logger, errors } = memoryLogger();
    const fs = new MemoryFileSystem("/export");
    const caller = harness([fs], { logger }).connect();
    const root = new Words(fs.handleOf(fs.root()));
    fs.lookup = fs.getattr = () => {
      throw new StoreUnavailableError("away");
    };
    expect(hex(await caller.nfs(1, root))).toBe("00002718");
    expect(hex(await caller.mount(1, new Words("/export/below")))).toBe("00002716");
    expect(errors).toEqual([]);
  });

  test("a share counts the requests that wait, however they end", async () => {
    const fs = new MemoryFileSystem("/export");
    const caller = harness([fs], { logger: memoryLogger().logger }).connect();
    const handle = fs.handleOf(fs.root());
    const gate = Promise.withResolvers<void>();
    fs.gate = gate.promise;
    caller.send(callRecord(1, 100003, 3, 6, new Words(handle, 0n, 1)));
    caller.send(callRecord(2, 100003, 3, 9, new Words(handle, "x", 0, 0, 0, 0, 0, 0)));
    caller.send(callRecord(3, 100005, 3, 1, new Words("/export")));
    expect(fs.inHand).toBe(3);
    await caller.transport.untilDone(2);
    expect(fs.inHand).toBe(1);
    fs.failNext = "throw";
    gate.resolve();
    await caller.transport.untilDone(3);
    expect(fs.inHand).toBe(0);
    // What is answered at once is not counted, as nothing can come between.
    caller.send(callRecord(4, 100003, 3, 1, new Words(handle)));
    expect([fs.inHand, caller.transport.done]).toEqual([0, 4]);
  });

  test("a fault while an answer is written leaves nothing of it", async () => {
    const { logger, errors } = memoryLogger();
    const fs = new MemoryFileSystem("/export");
    const handle = fs.handleOf(fs.root());
    const caller = harness([fs], { logger }).connect();
    fs.handleOf = () => {
      throw new Error("a planted fault");
    };
    expect(hex(await caller.ask(callRecord(7, 100003, 3, 3, new Words(handle, "."))))).toBe(words(7, 1, 0, 0, 0, 5));
    expect(errors).toHaveLength(1);
  });

  test("who asks follows credential and squash, call by call", async () => {
    const fs = new MemoryFileSystem("/export");
    fs.setPolicy(fs.policy.with({ squash: Squash.rootToGuest }));
    const caller = harness([fs]).connect();
    const args = (name: string) => new Words(fs.handleOf(fs.root()), name, 0, 0, 0, 0, 0, 0);
    for (const [i, credential] of [authSys(0, 0), authSys(7, 7), authSys(8, 7), authSys(7, 7), noCredential].entries()) {
      await caller.nfs(9, args(`d${i}`), credential);
    }
    expect(fs.log).toEqual(["mkdir 65534", "mkdir 7", "mkdir 8", "mkdir 7", "mkdir 65534"]);
  });
});
