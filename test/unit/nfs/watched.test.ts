import { beforeEach, describe, expect, test } from "bun:test";
import { silentLogger } from "#telemetry/logger.ts";
import { RequestSwitch, type ShareRequests } from "#telemetry/requests/index.ts";
import { Client } from "#nfs/client.ts";
import type { Call, Procedure } from "#nfs/call.ts";
import { DuplicateCache } from "#nfs/drc.ts";
import { Dispatcher } from "#nfs/rpc.ts";
import { mountOperations, nfsRequests, rpcErrorStatus } from "#nfs/watched.ts";
import { Mount3Procedure } from "#wire/mount3.ts";
import { Nfs3Procedure, NfsStat3 } from "#wire/nfs3.ts";
import { AcceptStat } from "#wire/rpc.ts";
import { lateMs } from "#nfs/late.ts";
import { callRecord, MemoryTransport } from "./harness.ts";
import { MemoryFileSystem } from "./memory-file-system.ts";
import { Words } from "./words.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const { WRITE, REMOVE } = Nfs3Procedure;

describe("calls that are watched", () => {
  let clock: ManualClock;
  let transport: MemoryTransport;
  let dispatcher: Dispatcher;
  let requests: RequestSwitch<Call>;
  let release: (error?: Error) => void;
  const counted = (): ShareRequests => [...requests.watch!.counted()][0]!;
  const done = (operation: number, status: number): number => counted().done[operation * nfsRequests.statuses.length + nfsRequests.statuses.indexOf(status)]!;

  /** A procedure that is answered when `release` is called. */
  const slow = (operation: number, remembered: boolean): Procedure => ({
    name: nfsRequests.operations[operation]!,
    operation,
    remembered,
    namesAt: [0],
    comeBack(call) {
      call.status = NfsStat3.NFS3ERR_JUKEBOX;
      call.begin();
      call.end();
    },
    async run(call) {
      call.view = client.view(new MemoryFileSystem(""));
      const gate = Promise.withResolvers<void>();
      release = (error) => (error === undefined ? gate.resolve() : gate.reject(error));
      await gate.promise;
      call.status = NfsStat3.NFS3ERR_IO;
      call.begin();
      call.end();
    },
  });

  beforeEach(() => {
    clock = new ManualClock(0);
    requests = new RequestSwitch<Call>(nfsRequests, clock);
    transport = new MemoryTransport();
    const procedures = [slow(WRITE, false), slow(REMOVE, true), { name: "READ", operation: Nfs3Procedure.READ, remembered: false, run: (call: Call) => call.reject(AcceptStat.GARBAGE_ARGS) }];
    dispatcher = new Dispatcher([{ number: 1, name: "test", versions: [{ version: 1, procedures }] }], new DuplicateCache(clock), silentLogger, requests);
  });

  const send = (procedure: number, xid = 7): void => {
    const record = callRecord(xid, 1, 1, procedure);
    dispatcher.dispatch(client, record, 0, record.length, [], 0);
  };
  let client: Client;
  beforeEach(() => {
    client = new Client(transport);
  });

  test("one that waits is in flight, and counted with what it took and how it ended", async () => {
    requests.hold();
    send(0);
    expect(counted().waiting[WRITE]).toBe(1);
    clock.pass(30);
    release();
    await transport.untilDone(1);
    expect(counted().waiting[WRITE]).toBe(0);
    expect(done(WRITE, NfsStat3.NFS3ERR_IO)).toBe(1);
    expect(counted().totalMs[WRITE]).toBe(30);
  });

  test("one whose caller is told to come back ends with that, and the one he comes back with as it is answered", async () => {
    requests.hold();
    const send = (xid: number): void => {
      const record = callRecord(xid, 1, 1, 1, new Words("directory", "name"));
      dispatcher.dispatch(client, record, 0, record.length, [], 0);
    };
    const tell = async (): Promise<void> => {
      await new Promise(setImmediate);
      clock.pass(lateMs + 2_000);
    };
    send(7);
    expect(counted().waiting[REMOVE]).toBe(1);
    await tell();
    expect(counted().waiting[REMOVE]).toBe(0);
    expect(done(REMOVE, NfsStat3.NFS3ERR_JUKEBOX)).toBe(1);
    send(8);
    expect(counted().waiting[REMOVE]).toBe(1);
    await tell();
    expect(done(REMOVE, NfsStat3.NFS3ERR_JUKEBOX)).toBe(2);
    send(9);
    release();
    await transport.untilDone(3);
    expect(counted().waiting[REMOVE]).toBe(0);
    expect([done(REMOVE, NfsStat3.NFS3ERR_JUKEBOX), done(REMOVE, NfsStat3.NFS3ERR_IO)]).toEqual([2, 1]);
    // Nobody waits when it is done; the answer is there when he asks.
    send(10);
    await tell();
    release();
    await new Promise(setImmediate);
    send(11);
    expect([counted().waiting[REMOVE], done(REMOVE, NfsStat3.NFS3ERR_JUKEBOX), done(REMOVE, NfsStat3.NFS3ERR_IO)]).toEqual([0, 3, 2]);
    expect(transport.replies).toHaveLength(5);
    expect(transport.done).toBe(5);
  });

  test("one repeated while it is being done is counted once", async () => {
    requests.hold();
    send(1);
    send(1);
    expect(counted().waiting[REMOVE]).toBe(1);
    release();
    await transport.untilDone(2);
    expect(done(REMOVE, NfsStat3.NFS3ERR_IO)).toBe(1);
    send(1);
    await transport.untilDone(3);
    expect(done(REMOVE, NfsStat3.NFS3ERR_IO)).toBe(1);
  });

  test("errors of RPC, and faults of ours, have statuses of their own", async () => {
    requests.hold();
    send(2);
    send(0);
    release(new Error("a fault"));
    await transport.untilDone(2);
    expect(done(Nfs3Procedure.READ, rpcErrorStatus(AcceptStat.GARBAGE_ARGS))).toBe(1);
    expect(done(WRITE, rpcErrorStatus(AcceptStat.SYSTEM_ERR))).toBe(1);
    expect(counted().waiting[WRITE]).toBe(0);
  });

  test("one that began before anybody watched, or after a watch that ended, leaves nothing behind", async () => {
    send(0);
    const first = requests.hold();
    release();
    await transport.untilDone(1);
    expect(done(WRITE, NfsStat3.NFS3ERR_IO)).toBe(0);
    send(0, 8);
    first.end();
    requests.hold();
    release();
    await transport.untilDone(2);
    expect(counted().waiting[WRITE]).toBe(0);
  });
});

test("statuses have the names of their protocol", () => {
  const mnt = mountOperations + Mount3Procedure.MNT;
  const name = (operation: number, status: number): string => nfsRequests.statusName(operation, status);
  expect(name(WRITE, 0)).toBe("NFS3_OK");
  expect(name(WRITE, NfsStat3.NFS3ERR_JUKEBOX)).toBe("NFS3ERR_JUKEBOX");
  expect(name(mnt, 13)).toBe("MNT3ERR_ACCES");
  expect(name(mountOperations + Mount3Procedure.DUMP, 0)).toBe("RPC_SUCCESS");
  expect(name(WRITE, rpcErrorStatus(AcceptStat.SYSTEM_ERR))).toBe("RPC_SYSTEM_ERR");
  expect(nfsRequests.operations[mnt]).toBe("MNT");
});
