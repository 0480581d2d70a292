import { expect, test } from "bun:test";
import type { Call as NfsCall } from "#nfs/call.ts";
import { SlowRequests } from "../../../../src/app/telemetry/slow-requests.ts";
import { noTelemetry } from "../../../../src/app/telemetry/telemetry.ts";
import type { Call as SmbCall } from "#smb/call.ts";
import { Command } from "#wire/smb2/header.ts";
import { Nfs3Procedure } from "#wire/nfs3.ts";
import { LogLines } from "../../../support/api-server.ts";
import { SimulatedClock } from "../../cache/simulated-clock.ts";

function world() {
  const clock = new SimulatedClock();
  const telemetry = noTelemetry(clock);
  const logger = new LogLines();
  const slow = new SlowRequests({ clock, telemetry, logger }, () => null, () => []);
  return { clock, telemetry, logger, slow };
}

/** What a watch and the log know of a request. */
const request = () => ({ beganMs: -1, waitsIn: null, logFields: { request: "r-1", client: "192.0.2.7" } });

test("nobody watches unless slow requests are logged", () => {
  const { telemetry, slow } = world();
  const watched = () => [telemetry.nfsRequests.watch !== null, telemetry.smbRequests.watch !== null];
  expect(watched()).toEqual([false, false]);
  slow.set(100);
  slow.set(200);
  expect([watched(), telemetry.nfsRequests.watch?.slowMs]).toEqual([[true, true], 200]);
  const other = telemetry.nfsRequests.hold();
  slow.set(0);
  expect([watched(), telemetry.nfsRequests.watch?.slow]).toEqual([[true, false], null]);
  other.end();
  expect(watched()).toEqual([false, false]);
});

test("what takes long is told with its request and how long the loop stood still; what waits for others by its nature isn't", () => {
  const { clock, telemetry, logger, slow } = world();
  slow.set(100);
  const nfs = telemetry.nfsRequests.watch!;
  const smb = telemetry.smbRequests.watch!;
  const [read, quick, notify] = [request() as unknown as NfsCall, request() as unknown as NfsCall, request() as unknown as SmbCall];
  nfs.began(read, 0);
  smb.began(notify, 0);
  nfs.began(quick, 0);
  clock.ms = 99;
  nfs.ended(quick, Nfs3Procedure.READ, "/a", 0, 1);
  // No timer was run meanwhile: the loop did nothing else.
  clock.ms = 350;
  nfs.ended(read, Nfs3Procedure.READ, "/a", 5, 0);
  smb.ended(notify, Command.CHANGE_NOTIFY, "/a", 0, 0);
  expect(logger.lines.map((line) => JSON.parse(line))).toEqual([
    { request: "r-1", client: "192.0.2.7", status: "NFS3ERR_IO", ms: 350, bytes: 0, meanwhile: [{ what: "event loop held up", times: 1, ms: 300 }], message: "a slow request" },
  ]);
});
