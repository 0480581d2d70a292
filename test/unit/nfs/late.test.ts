import { describe, expect, test } from "bun:test";
import type { Credentials, FileId, FsError } from "#model/index.ts";
import { FsCode } from "#model/fs-error.ts";
import type { AttributeRequest, Change, Created, CreateHow, Removed, Renamed } from "#vfs/file-system.ts";
import type { Time } from "#base/time.ts";
import { answerKeptMs } from "#nfs/drc.ts";
import { lateArgsBytesMax, lateCallsMax, lateMs } from "#nfs/late.ts";
import { authSys, callRecord, type Caller, harness } from "./harness.ts";
import { MemoryFileSystem } from "./memory-file-system.ts";
import { error } from "./memory-tree.ts";
import { Words } from "./words.ts";
import { ManualClock } from "../../support/manual-clock.ts";

/** Does what it is asked at once and answers when it is let, as a share does whose store is away. */
class HeldFileSystem extends MemoryFileSystem {
  private letGo: PromiseWithResolvers<FsError | null> | null = null;
  hold(): void {
    this.letGo = Promise.withResolvers();
  }
  let(outcome: FsError | null = null): void {
    this.letGo?.resolve(outcome);
    this.letGo = null;
  }
  private async held<T>(result: Promise<T | FsError>): Promise<T | FsError> {
    const gate = this.letGo;
    const done = await result;
    return gate === null ? done : ((await gate.promise) ?? done);
  }
  override create(who: Credentials, directory: FileId, name: string, how: CreateHow): Promise<Created | FsError> {
    return this.held(super.create(who, directory, name, how));
  }
  override mkdir(who: Credentials, directory: FileId, name: string, request: AttributeRequest): Promise<Created | FsError> {
    return this.held(super.mkdir(who, directory, name, request));
  }
  override remove(who: Credentials, directory: FileId, name: string): Promise<Removed | FsError> {
    return this.held(super.remove(who, directory, name));
  }
  override rename(who: Credentials, from: FileId, name: string, to: FileId, other: string): Promise<Renamed | FsError> {
    return this.held(super.rename(who, from, name, to, other));
  }
  override setattr(who: Credentials, id: FileId, request: AttributeRequest, guard: Time | null): Promise<Change | FsError> {
    return this.held(super.setattr(who, id, request, guard));
  }
}

const [setattr, create, mkdir, remove, rename] = [2, 8, 9, 12, 14];
const [ok, jukebox, exists, noEntry] = ["00000000", "00002718", "00000011", "00000002"];
const guarded = (name: string) => (root: Uint8Array) => new Words(root, name, 1, 0, 0, 0, 0, 0, 0);

function setUp() {
  const fs = new HeldFileSystem("/export");
  const clock = new ManualClock();
  const world = harness([fs], { clock });
  const root = fs.handleOf(fs.root());
  let xid = 100;
  /** Sends a call under an xid of its own; gives what reads its status, null until it is answered. */
  const call = (caller: Caller, procedure: number, args: Words, options: { xid?: number; credential?: Words } = {}) => {
    const id = options.xid ?? xid++;
    caller.send(callRecord(id, 100003, 3, procedure, args, options.credential));
    return () => {
      const reply = caller.transport.replies.filter((each) => new DataView(each.buffer, each.byteOffset).getUint32(0) === id).at(-1);
      return reply === undefined ? null : Buffer.from(reply.subarray(24, 28)).toString("hex");
    };
  };
  return { fs, clock, world, root, call, late: world.dispatcher.late!, late_: async () => void (await settled(), clock.pass(lateMs + 2_000), await settled()) };
}

/** Everything that goes on by itself has. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

describe("a call that takes long", () => {
  for (const [what, procedure, args, again] of [
    ["CREATE GUARDED", create, guarded("new"), exists],
    ["MKDIR", mkdir, (root: Uint8Array) => new Words(root, "d", 0, 0, 0, 0, 0, 0), exists],
    ["REMOVE", remove, (root: Uint8Array) => new Words(root, "old"), noEntry],
    ["RENAME", rename, (root: Uint8Array) => new Words(root, "old", root, "older"), noEntry],
  ] as const) {
    test(`${what}: its caller is told to come back after ten seconds, asks again under another xid, and gets the answer of what was done once`, async () => {
      const { fs, call, root, clock, late_, late, world } = setUp();
      const caller = world.connect();
      const made = call(caller, create, guarded("old")(root));
      await settled();
      expect(made()).toBe(ok);
      fs.hold();
      const first = call(caller, procedure, args(root));
      await settled();
      clock.pass(lateMs - 1_000);
      await settled();
      expect(first()).toBeNull();
      clock.pass(2_000);
      await settled();
      expect(first()).toBe(jukebox);
      // While it still goes on, the repeat is told to come back in its turn.
      const second = call(caller, procedure, args(root));
      await late_();
      expect(second()).toBe(jukebox);
      const third = call(caller, procedure, args(root));
      await settled();
      expect(third()).toBeNull();
      fs.let();
      await settled();
      expect(third()).toBe(ok);
      // Once: who asks then asks for something new.
      const fourth = call(caller, procedure, args(root));
      await settled();
      expect(fourth()).toBe(again);
      expect(late.size).toBe(0);
      expect(caller.transport.done).toBe(5);
      expect(clock.pending).toBeLessThanOrEqual(1);
    });
  }

  test("one that is done before its caller comes back answers him, and the same xid sent again gets the same", async () => {
    const { fs, call, root, late_, world } = setUp();
    const caller = world.connect();
    fs.hold();
    const first = call(caller, create, guarded("new")(root));
    await late_();
    fs.let();
    await settled();
    expect(first()).toBe(jukebox);
    // On another connection, as after a broken one.
    const other = world.connect();
    const second = call(other, create, guarded("new")(root), { xid: 7 });
    await settled();
    expect(second()).toBe(ok);
    const repeated = call(world.connect(), create, guarded("new")(root), { xid: 7 });
    await settled();
    expect(repeated()).toBe(ok);
    expect(fs.log.filter((line) => line.startsWith("create"))).toHaveLength(1);
    // Once: under another xid it is another call.
    const anew = call(world.connect(), create, guarded("new")(root));
    await settled();
    expect(anew()).toBe(exists);
  });

  test("an exclusive create, and one whose client renews its credential's stamp", async () => {
    const { fs, call, root, late_, world } = setUp();
    const caller = world.connect();
    const stamped = (stamp: number): Words => new Words(1, new Words(stamp, "client", 5, 5, 0).bytes(), 0, 0);
    const args = new Words(root, "new", 2, 1, 2);
    fs.hold();
    const first = call(caller, create, args, { credential: stamped(1) });
    await late_();
    fs.let();
    const second = call(caller, create, args, { credential: stamped(2) });
    await settled();
    expect([first(), second()]).toEqual([jukebox, ok]);
    expect(fs.log.filter((line) => line.startsWith("create"))).toHaveLength(1);
  });

  test("another client, user, procedure or argument is another call", async () => {
    const { fs, call, root, late_, late, world } = setUp();
    const caller = world.connect("10.0.0.1");
    fs.hold();
    call(caller, create, guarded("new")(root));
    await late_();
    fs.let();
    const elsewhere = call(world.connect("10.0.0.2"), create, guarded("new")(root));
    const other = call(caller, create, guarded("other")(root));
    await settled();
    expect([elsewhere(), other()]).toEqual([exists, ok]);
    expect(late.size).toBe(1);
    const somebody = call(caller, create, guarded("new")(root), { credential: authSys(9, 9) });
    await settled();
    expect(somebody()).toBe(exists);
  });

  test("another change of the name by the same client says that nobody waits any more", async () => {
    const { fs, call, root, late_, late, world } = setUp();
    const caller = world.connect();
    const made = call(caller, create, guarded("f")(root));
    await settled();
    fs.hold();
    call(caller, remove, new Words(root, "f"));
    await late_();
    fs.let();
    await settled();
    const again = call(caller, create, guarded("f")(root));
    const gone = call(caller, remove, new Words(root, "f"));
    await settled();
    expect([made(), again(), gone()]).toEqual([ok, ok, ok]);
    expect(late.size).toBe(0);
    const last = call(caller, remove, new Words(root, "f"));
    await settled();
    expect(last()).toBe(noEntry);
    // A rename's second name counts as well.
    fs.hold();
    call(caller, create, guarded("g")(root));
    await late_();
    fs.let();
    await settled();
    expect(late.size).toBe(1);
    call(caller, rename, new Words(root, "x", root, "g"));
    expect(late.size).toBe(0);
  });

  test("nobody comes back: its answer is forgotten after two minutes", async () => {
    const { fs, call, root, clock, late_, late, world } = setUp();
    fs.hold();
    const caller = world.connect();
    call(caller, create, guarded("new")(root));
    await late_();
    fs.let();
    await settled();
    clock.pass(answerKeptMs - 2_000);
    expect(late.size).toBe(1);
    clock.pass(4_000);
    expect(late.size).toBe(0);
    expect(clock.pending).toBe(0);
    const again = call(caller, create, guarded("new")(root));
    await settled();
    expect(again()).toBe(exists);
  });

  test("one that comes to nothing is asked anew", async () => {
    const { fs, call, root, late_, late, world } = setUp();
    const caller = world.connect();
    fs.hold();
    call(caller, remove, new Words(root, "none"));
    await late_();
    const waiting = call(caller, remove, new Words(root, "none"));
    await settled();
    fs.let(error(FsCode.jukebox));
    await settled();
    expect(waiting()).toBe(jukebox);
    expect(late.size).toBe(0);
    const again = call(caller, remove, new Words(root, "none"));
    await settled();
    expect(again()).toBe(noEntry);
  });

  test("SETATTR is done again, and waits for as long as it takes where a guard would refuse that", async () => {
    const { fs, call, root, late_, late, world } = setUp();
    const caller = world.connect();
    fs.hold();
    const plain = call(caller, setattr, new Words(root, 1, 0o700, 0, 0, 0, 0, 0, 0));
    const { ctime } = fs.root();
    await settled();
    const guardedCall = call(caller, setattr, new Words(root, 1, 0o755, 0, 0, 0, 0, 0, 1, ctime.sec, ctime.nsec));
    await late_();
    expect([plain(), guardedCall()]).toEqual([jukebox, null]);
    expect(late.size).toBe(0);
    fs.let();
    await settled();
    expect(guardedCall()).not.toBeNull();
    const again = call(caller, setattr, new Words(root, 1, 0o700, 0, 0, 0, 0, 0, 0));
    await settled();
    expect(again()).toBe(ok);
  });

  test("the same xid repeated while it goes on is told to come back, too", async () => {
    const { fs, call, root, late_, world } = setUp();
    fs.hold();
    const [one, two] = [world.connect(), world.connect()];
    const first = call(one, create, guarded("new")(root), { xid: 7 });
    const second = call(two, create, guarded("new")(root), { xid: 7 });
    await late_();
    expect([first(), second()]).toEqual([jukebox, jukebox]);
    expect([one.transport.done, two.transport.done]).toEqual([1, 1]);
    // Sent again before its reply arrived: the client hears the reply to the first and asks under another xid, whose answer that must not be.
    const third = call(one, create, guarded("new")(root), { xid: 7 });
    fs.let();
    await settled();
    expect(third()).toBe(jukebox);
    const again = call(world.connect(), create, guarded("new")(root), { xid: 7 });
    const back = call(one, create, guarded("new")(root));
    await settled();
    expect([again(), back()]).toEqual([jukebox, ok]);
    expect(one.transport.done).toBe(3);
  });

  test("of two processes that make the same directory, as a lock, one is told that it did", async () => {
    for (const arrives of ["before the first is late", "after", "when the first is done"] as const) {
      const { fs, call, root, late_, late, world } = setUp();
      const [one, two] = [world.connect(), world.connect()];
      const args = new Words(root, "lock", 0, 0, 0, 0, 0, 0);
      fs.hold();
      const first = call(one, mkdir, args);
      await settled();
      const early = arrives === "before the first is late" ? call(two, mkdir, args) : null;
      await late_();
      if (arrives === "when the first is done") fs.let();
      await settled();
      const second = early ?? call(two, mkdir, args);
      const back = call(one, mkdir, args);
      await late_();
      expect(first()).toBe(jukebox);
      // Whoever was told to come back does.
      const others = [second, back].map((each, i) => (each() === jukebox ? call(i === 0 ? two : one, mkdir, args) : each));
      await settled();
      fs.let();
      await settled();
      expect([arrives, ...others.map((each) => each()).sort()]).toEqual([arrives, ok, exists]);
      expect(late.size).toBe(0);
      expect(one.transport.done + two.transport.done).toBe(one.transport.replies.length + two.transport.replies.length);
    }
  });

  test("CREATE UNCHECKED is done again: it cuts what was written in between", async () => {
    const { fs, call, root, late_, late, world } = setUp();
    const caller = world.connect();
    const args = new Words(root, "f", 0, 0, 0, 0, 1, 0n, 0, 0);
    fs.hold();
    const first = call(caller, create, args);
    await late_();
    fs.let();
    await settled();
    expect(late.size).toBe(0);
    const again = call(caller, create, args);
    await settled();
    expect([first(), again()]).toEqual([jukebox, ok]);
    expect(fs.log.filter((line) => line.startsWith("create"))).toHaveLength(2);
  });

  test("what is longer than such calls are is not kept, and its caller waits for as long as it takes", async () => {
    const { fs, call, root, late_, late, world } = setUp();
    const caller = world.connect();
    const args = new Words(root, "d", 0, 0, 0, 0, 0, 0).raw(new Uint8Array(lateArgsBytesMax));
    fs.hold();
    const long = call(caller, mkdir, args);
    await late_();
    expect([long(), late.size]).toEqual([null, 0]);
    fs.let();
    await settled();
    expect(long()).toBe(ok);
    expect(caller.transport.done).toBe(1);
  });

  test("a share that waits for no other machine has nothing kept of its calls, and their callers wait", async () => {
    const { fs, call, root, clock, late_, late, world } = setUp();
    fs.mayBeLate = false;
    const caller = world.connect();
    fs.hold();
    const made = call(caller, mkdir, new Words(root, "d", 0, 0, 0, 0, 0, 0));
    expect(clock.pending).toBe(0);
    await late_();
    expect([made(), late.told]).toEqual([null, 0]);
    fs.let();
    await settled();
    expect(made()).toBe(ok);
  });

  test("no more go on behind their callers than are allowed, kept or not", async () => {
    const { fs, call, root, late_, world } = setUp();
    const caller = world.connect();
    fs.hold();
    for (let i = 0; i < lateCallsMax + 2; i++) call(caller, setattr, new Words(root, 1, 0o700, 0, 0, 0, 0, 0, 0));
    await late_();
    expect(caller.transport.done).toBe(lateCallsMax);
    fs.let();
    await settled();
    expect(caller.transport.done).toBe(lateCallsMax + 2);
    fs.hold();
    const after = call(caller, setattr, new Words(root, 1, 0o700, 0, 0, 0, 0, 0, 0));
    await late_();
    expect(after()).toBe(jukebox);
  });
});
