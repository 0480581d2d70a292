import type { WatchedProtocol } from "#telemetry/requests/index.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";

/** Ends a request that is never answered: a CANCEL, one that costs its connection. */
export const noAnswer = -1;

const names: ReadonlyMap<number, string> = new Map([...Object.entries(NtStatus).map(([name, value]) => [value, `STATUS_${name}`] as const), [noAnswer, "NO_ANSWER"] as const, [-2, "UNKNOWN"] as const]);
const operations = [...Object.keys(Command), "UNKNOWN"];
const unknownOperation = operations.length - 1;

/** What SMB can be asked and answer. */
export const smbRequests: WatchedProtocol = {
  operations,
  statuses: [...names.keys()],
  statusName: (_, status) => names.get(status) ?? "UNKNOWN",
};

/** The number of a header's command among those that are watched. */
export function operationOf(command: number): number {
  return command < unknownOperation ? command : unknownOperation;
}
