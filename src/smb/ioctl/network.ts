import { networkInterfaces } from "node:os";
import { NtStatus } from "#wire/ntstatus.ts";
import { encodeInterfaces, type NetworkInterface } from "#wire/smb2/fsctl.ts";
import { type IoctlRequest, relatedFileId } from "#wire/smb2/io.ts";
import { Dialect } from "#wire/smb2/negotiate.ts";
import type { Call } from "../call.ts";
import { answer } from "./answer.ts";

/** What is told of an interface's speed, which a client compares to that of others. */
const bitsPerSecond = 1e9;
const addressesMax = 64;

/** QUERY_NETWORK_INTERFACE_INFO (MS-SMB2 3.3.5.15.11): by which addresses a client can reach the server, for more connections of its session. */
export function interfaces(call: Call, request: IoctlRequest): number {
  if (call.connection.dialect < Dialect.SMB_3_0) return NtStatus.INVALID_DEVICE_REQUEST;
  const output = encodeInterfaces(addresses());
  if (output.length === 0) return NtStatus.INVALID_DEVICE_REQUEST;
  return request.outputBytesMax < output.length ? NtStatus.INVALID_PARAMETER : answer(call, request, relatedFileId, output);
}

/** Those others can use; where there are none, those of this machine alone. */
function addresses(): readonly NetworkInterface[] {
  const all = Object.values(networkInterfaces()).flatMap((list, index) => (list ?? []).map((one) => ({ ...one, index: index + 1 })));
  const near = all.filter((one) => !one.internal && !one.address.startsWith("fe80:"));
  return (near.length > 0 ? near : all).slice(0, addressesMax).map(({ address, index }) => ({ index, rssCapable: false, rdmaCapable: false, bitsPerSecond, address: bytesOf(address) }));
}

function bytesOf(address: string): Uint8Array {
  if (!address.includes(":")) return Uint8Array.from(address.split(".").map(Number));
  const [head = "", tail] = address.split("%")[0]!.split("::");
  const first = words(head);
  const last = tail === undefined ? [] : words(tail);
  const all = [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last];
  return Uint8Array.from(all.flatMap((word) => [word >> 8, word & 255]));
}

function words(text: string): number[] {
  return text === "" ? [] : text.split(":").map((word) => Number.parseInt(word, 16));
}
